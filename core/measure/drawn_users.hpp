// Drawing a share of the users: whoever draws with the same seed draws the same ones. So who measures a model on the rows of its
// training knows of whom the trainer held something out.
#pragma once

#include <cstdint>

namespace seqrec {

/// Whether a user, by its index in the model, is one of the `share` that are drawn.
/// 该用户（按其在模型中的序号）是否属于抽取的 share 部分；相同的种子结果相同。
bool is_drawn(std::int64_t user, std::uint64_t seed, double share);

}  // namespace seqrec
