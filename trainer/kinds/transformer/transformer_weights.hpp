// The weights of a trained transformer: one network, or several whose cosines are averaged.
#pragma once

#include <memory>
#include <vector>

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

/// Rows are of unit length in each member's slice; queries are of unit length.
/// 行在每个成员的切片内为单位长度；查询为单位长度。
class TransformerWeights final : public Weights {
  public:
    explicit TransformerWeights(Members members) : members_(std::move(members)) {}
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
    at::Tensor user_rows() const override;
    std::vector<NamedTensor> tensors() const override;

  private:
    Members members_;
};

}  // namespace seqrec::trainer
