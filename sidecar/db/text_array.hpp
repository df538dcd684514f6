#pragma once

#include <span>
#include <string>

namespace seqrec::sidecar {

/// A one-dimensional text[] in PostgreSQL's binary format (array_recv): big-endian 32-bit words dimensions,
/// has-null flag, element type, length, lower bound, then each element as its length and bytes. No quoting,
/// so nothing to escape. `values` must be UTF-8 without zero bytes. 以 PostgreSQL
/// 二进制格式（array_recv）编码的一维 text[]：大端 32
/// 位的维数、空值标志、元素类型、长度、下界，随后是每个元素的长度和字节。无需引号与转义。values
/// 须为不含零字节的 UTF-8。
std::string encode_text_array(std::span<const std::string> values);

}  // namespace seqrec::sidecar
