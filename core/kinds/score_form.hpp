// How a score is made of an item's row and a query, whatever the kind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace seqrec {

/// What a row and a query mean.
/// 行向量与查询向量的含义。
enum class Link : std::uint8_t {
    Cosine,   ///< rows count by their direction alone, queries have unit length: scores in [-1, 1]
    Dot,      ///< the product as it is
    Sigmoid,  ///< the product as it is, a logit: sigmoid(score) is a probability
};

/// score(user, item) = q(user, clicks) . E(item) + c(user). It stands in model file, snapshot and
/// seqrec.models, and nothing else decides it.
/// 得分的形式；写在模型文件、快照与 seqrec.models 中，别处一概不决定它。
struct ScoreForm {
    Link link = Link::Cosine;
    bool item_bias = false;    ///< the last column of E is the item's own; a query has 1 there
    bool user_offset = false;  ///< c(user) may be other than 0

    /// Reads what to_json() wrote. Error XX001 when it says what this build does not know.
    /// 读取 to_json() 的结果；含有本构建不认识的内容时抛出 Error XX001。
    static ScoreForm parse(std::string_view json);
    std::string to_json() const;

    bool operator==(const ScoreForm&) const = default;
};

/// What a score of Link::Sigmoid says: its logistic function.
/// Link::Sigmoid 的得分所表示的概率（逻辑函数）。
float probability_of(float score);
/// The least score whose probability is at least `probability`, in [0, 1]; for 0 minus infinity.
/// 概率不低于给定值（[0, 1] 内）的最小得分；给定 0 时为负无穷。
float least_score_of(float probability);

}  // namespace seqrec
