// What is known of the items beside who had them, as a network is trained with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// Rows of content, and which items have been trained on.
/// 内容行，以及哪些物品参与训练。
struct Content {
    at::Tensor rows;                        ///< [items, width]; undefined for none
    std::vector<std::uint8_t> described{};  ///< of each item: whether its row says something
    /// Of each item whether anybody had it in the part that is trained on. Others stand by their content, and
    /// are no candidates of the softmax: it would teach what is like them not to be recommended.
    /// 每个物品在训练部分中是否出现；其余的只凭内容，且不作为 softmax 的候选，否则与之相似者都会被压低。
    std::vector<std::uint8_t> trained{};

    bool exists() const { return rows.defined(); }
};

/// The content of a part; `rows` as above. `said`: items that an earlier model says again, which are trained on by that.
/// 某部分的内容；said 为早先模型重述的物品，它们因此参与训练。
Content content_of(at::Tensor rows, const Dataset& data, Part part, std::span<const std::int32_t> said);

}  // namespace seqrec::trainer
