// Many tokens in few columns: each is added to some of them, with a sign, by its hash (a count sketch; Charikar, Chen
// and Farach-Colton 2002).
#pragma once

#include <span>
#include <string_view>

namespace seqrec::trainer {

/// Adds `weight` times the token's sketch, four signed columns, to a row.
/// 将 weight 倍的词元草图（四个带符号的列）加到一行。
void add_to_sketch(std::span<float> row, std::string_view token, float weight);

}  // namespace seqrec::trainer
