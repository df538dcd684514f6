// Which of the best candidates make a list whose items differ: maximal marginal relevance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/poll.hpp"
#include "core/scan/best.hpp"

namespace seqrec {

/// How many of the best are candidates for a list of k of `items` items.
/// 从 items 个物品中选 k 个时，取得分最高的多少个作为候选。
std::int64_t candidates_of_diverse(std::int64_t k, std::int64_t items);

/// Relevances of candidates that come best first: their scores from 0 (the last) to 1 (the first), evenly.
/// 候选（最佳在前）的相关度：得分线性缩放至 0（最末）到 1（最前）。
std::vector<float> relevance_by_score(std::span<const ScoredItem> candidates);
/// The same where scores say an order alone: even steps down.
/// 同上，用于得分仅表示次序的情形：等距递减。
std::vector<float> relevance_by_place(std::size_t candidates);

/// What a choice is made from: for each candidate, the best first, how relevant it is and what it is like.
/// 选择的依据：各候选（最佳在前）的相关度与向量。
struct DiverseCandidates {
    std::span<const float> relevance;   ///< [candidates], in [0, 1]
    std::span<const float> directions;  ///< [candidates, dim], rows of unit length
};

/// At most k of the candidates, as positions in the order of choice: first the first, then always the one with the
/// largest (1 - diversity) * relevance - diversity * its largest cosine with those chosen, a cosine below 0 counting
/// as 0; of equals the first (Carbonell and Goldstein, SIGIR 1998). A candidate's largest cosine is kept, and only
/// the latest chosen can raise it: k * candidates dot products. `poll` is called before each choice.
/// 至多选出 k 个候选，按选择的先后给出其位置：先取第一个，其后每次取
/// (1 - diversity) * 相关度 - diversity * 与已选者的最大余弦（负值按 0 计）最大者，相等时取靠前者（MMR）。
/// 保存各候选的最大余弦，只需与最近选中者比较更新：共 k * 候选数 次点积。每次选择前调用 poll。
std::vector<std::size_t> choose_diverse(const DiverseCandidates& candidates, std::size_t k, float diversity,
                                        const Poll& poll = {});

}  // namespace seqrec
