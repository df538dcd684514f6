// The weights of a trained transformer: one network, or several whose cosines are averaged.
#pragma once

#include <memory>
#include <vector>

#include "core/kinds/transformer_context.hpp"
#include "kinds/transformer/moments.hpp"
#include "kinds/transformer/network.hpp"
#include "kinds/weights.hpp"

namespace seqrec::trainer {

/// One network and its users' vectors, [U, dim].
/// 一个网络及其用户向量 [U, dim]。
struct Member {
    Transformer network;  ///< `item` is whole: of own rows and content
    at::Tensor users;
    at::Tensor own{};    ///< [items, dim], what `item` is without content; undefined when it is the same
    at::Tensor fresh{};  ///< [dim], what stands in `own` for an item that nobody has had; undefined for zeros
};

/// Networks whose cosines are averaged; each has its own slice of the columns of rows and queries.
/// 取余弦平均的多个网络；每个网络占行与查询的一段列。
using Members = std::vector<Member>;

/// What is said of the moments of questions and of the clicks before them: features of each question, and of each click of
/// its history. Either may be empty.
/// 对各问题及其历史点击的时刻的说明：各问题的特征，以及其历史中各次点击的特征；均可为空。
struct Said {
    ClickFeatures questions{};
    std::vector<ClickFeatures> clicks{};
};

/// Rows are of unit length in each member's slice; queries are of unit length.
/// 行在每个成员的切片内为单位长度；查询为单位长度。
class TransformerWeights final : public Weights {
  public:
    /// `told`: the tensors that say what rows of moments are called; empty without.
    /// told 为说明时刻各行名称的张量；没有则为空。
    explicit TransformerWeights(Members members, std::vector<NamedTensor> told = {})
        : members_(std::move(members)), told_(std::move(told)) {}
    /// Of a model or snapshot file; Error XX001 when it lacks a tensor.
    /// 读取自模型或快照文件；缺失张量则抛出 Error XX001。
    explicit TransformerWeights(const SafetensorsFile& file);

    const Members& members() const { return members_; }
    /// The same networks over other items: the row that each had here or -1, and its content [items, width]. Error
    /// 0A000 for weights that were trained without content.
    /// 同样的网络用于另一组物品：各自在此的行号（或 -1）及其内容。训练时没有内容则抛出 Error 0A000。
    TransformerWeights over(const std::vector<std::int32_t>& rows, const at::Tensor& content) const;
    at::Tensor item_rows() const override;
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override;
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users,
                      const Said& said) const;
    at::Tensor user_rows() const override;
    std::vector<NamedTensor> tensors() const override;

  private:
    Members members_;
    std::vector<NamedTensor> told_;
};

/// The same weights where the moment of each question is said, as of the columns of time, of context, or all, and of clicks
/// too where that is wanted. All must outlive it.
/// 同样的权重，但说明各问题的时刻（时间列、context 各列或全部），需要时也说明各点击的时刻。各对象的生命周期须更长。
class InformedWeights final : public Weights {
  public:
    InformedWeights(const TransformerWeights& weights, const Moments& moments, ContextUse said,
                    bool of_clicks = false)
        : weights_(weights), moments_(moments), said_(said), of_clicks_(of_clicks) {}

    at::Tensor item_rows() const override { return weights_.item_rows(); }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override {
        return weights_.encode(histories, users);
    }
    at::Tensor ask(const Dataset& data, std::span<const Question> questions) const override;
    at::Tensor user_rows() const override { return weights_.user_rows(); }
    std::vector<NamedTensor> tensors() const override { return weights_.tensors(); }

  private:
    std::vector<QueryFeature> of(std::int64_t place, std::int64_t before) const;

    const TransformerWeights& weights_;
    const Moments& moments_;
    const ContextUse said_;
    const bool of_clicks_;
};

}  // namespace seqrec::trainer
