// Why an item is recommended: what its score would lose without one click.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/recommend.hpp"

namespace seqrec {

/// What an item owes its score to most.
/// 物品得分最主要的来源。
struct Reason {
    Source source;
    std::int32_t click;  ///< the item that was clicked; -1 for Source::User, for Source::Popular, and when no
                         ///< click helped
    float contribution;  ///< by how much the score falls without it; for Source::Popular the score
    std::int32_t part =
        -1;  ///< for Source::User: the key of the context (its place in the object) whose loss alone costs
             ///< more than that of the user and of any other key; -1: the user
};

/// One reason for each item, an index of the snapshot. Each click is left out in turn, with every place where
/// the same item was clicked, and the clicks that remain are encoded anew: the differences are exact, not an
/// attribution of weights. Source::User when leaving out what is known of the user, the vector and the
/// context, costs more than any click, or there are no clicks. Of two clicks that cost the same the later one is named. An asker of whom nothing is
/// left scores what the model gives to nobody in particular, for cosines 0. Takes as many encodings as there
/// are clicks within the encoder's reach.
/// 为每个物品（快照下标）给出一个理由。依次去掉每个点击（同一物品的所有点击一并去掉），对剩余点击重新编码，
/// 因此差值是精确的，而非权重归因。若去掉用户自身的信息（向量与 context）的损失超过任何点击，或没有点击，
/// 则为 Source::User。
/// 损失相同时取较晚的点击。什么都不剩时按模型对空请求的得分计，余弦即为 0。编码次数等于编码器可及的点击数。
std::vector<Reason> explain(const Snapshot& snapshot, const Asker& asker, std::span<const std::int32_t> items,
                            bool exact, const Poll& poll);

}  // namespace seqrec
