// Which arrays have been seen before, without a look at what they hold. PostgreSQL code: may ereport.
//
// A variable of PL/pgSQL is an expanded array. What it would be flattened to, its `fvalue`, is made with it, never changes, and is
// forgotten when an element is set; it goes with the memory context of the array. So as long as that context has not told us
// of its end, the same address is the same array, and a loop that asks with a million ids compares a pointer.
#pragma once

#include <cstdint>
#include <memory>

#include "core/candidates.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "utils/array.h"
}

namespace seqrec {

/// What an argument holds as a flat array, in its own memory where that is possible.
/// 参数所含的扁平数组；可能时直接使用其自身内存。
const ArrayType* flat_array(Datum value);

/// The candidates that were remembered for the array of an argument and a model version; null when there are none.
/// 为某参数的数组与模型版本记下的候选列表；没有则为空。
std::shared_ptr<const Candidates> known_candidates(Datum value, const std::string& version);

/// Remembers them as long as the array lasts; nothing for arrays that may change unseen.
/// 记下候选列表，直到数组消失；可能悄然改变的数组不予记录。
void remember_candidates(Datum value, const std::string& version,
                         const std::shared_ptr<const Candidates>& list);

}  // namespace seqrec
