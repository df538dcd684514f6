// PostgreSQL's arrays in their binary format (array_recv, array_send): big-endian 32-bit words dimensions,
// has-null flag, element type, length, lower bound, then each element as its length and bytes. No quoting, so
// nothing to escape.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/query.hpp"

namespace seqrec::sidecar {

/// A one-dimensional text[]; `values` must be UTF-8 without zero bytes.
/// 一维 text[]；values 须为不含零字节的 UTF-8。
std::string encode_array(std::span<const std::string> values);
/// The same of texts that may be missing; nothing is NULL.
/// 同上，文本可缺失；空值为 NULL。
std::string encode_array(std::span<const std::optional<std::string>> values);
/// An int4[]; nothing is NULL.
/// int4[]；空值为 NULL。
std::string encode_array(std::span<const std::optional<std::int32_t>> values);

/// Adds another array's elements to the end of an array. Both must come from encode_array, of one type.
/// 将另一数组的元素追加到数组末尾。两者须由 encode_array 产生且类型相同。
void append_array(std::string& array, std::string_view more);

/// The elements of a text[], as parts of its bytes; NULL as nothing. Bytes that are no array give no
/// elements.
/// text[] 的元素（指向原字节），NULL 为空。字节不是数组时无元素。
std::vector<std::optional<std::string_view>> decode_texts(std::string_view array);
/// The elements of a real[]; NULL as 0.
/// real[] 的元素，NULL 为 0。
std::vector<float> decode_reals(std::string_view array);

/// An array of texts as a parameter, and a number; NULL without one.
/// 文本数组参数与数值参数；未给出时为 NULL。
Parameter array_parameter(const std::optional<std::vector<std::string>>& texts);
Parameter number_parameter(std::optional<double> number);

}  // namespace seqrec::sidecar
