// Ids that are whole numbers. An array of them is a seqrec.id[] to SQL, by a cast, but need not become texts on its way into
// a function: the planner leaves the cast out (rows_from_k's simplification), and who reads the array sees by its element
// type what it holds. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "pg/boundary.hpp"

extern "C" {
#include "nodes/supportnodes.h"
#include "utils/array.h"
}

namespace seqrec {

/// Whether an array's elements are int2, int4 or int8.
/// 数组元素是否为 int2、int4 或 int8。
bool holds_numbers(const ArrayType* array);

/// The elements that are not NULL, in palloc'd memory or the array's own.
/// 非 NULL 的元素，位于 palloc 内存或数组自身。
std::span<const std::int64_t> numbers_of(const ArrayType* array);

/// The text of each element, in palloc'd memory; a default string_view for NULL.
/// 每个元素的文本（palloc 内存）；NULL 为默认 string_view。
std::span<std::string_view> number_texts(const ArrayType* array);

/// A call without the casts from arrays of numbers and texts to seqrec.id[], or null when it has none.
/// 去掉整数或文本数组到 seqrec.id[] 的转换后的调用；没有此类转换则为空。
Node* without_casts(const SupportRequestSimplify* request);

}  // namespace seqrec
