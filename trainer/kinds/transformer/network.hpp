// Kind `transformer`: long-term interest (a vector a user, with `user_dropout` below 1) + short-term interest (a causal Transformer over
// the latest clicks), scored by cosine against every item.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kinds/shared/blocks.hpp"
#include "kinds/shared/gather.hpp"
#include "kinds/transformer/transformer_settings.hpp"

namespace seqrec::trainer {

/// The dense weights; users' vectors live in a RowTable. Copies share the tensors.
/// 稠密权重（用户向量另存于 RowTable）。复制对象共享张量。
struct Transformer {
    at::Tensor item, position, norm_weight, norm_bias;
    at::Tensor projection;  ///< of the items' content, [dim, width]; undefined without content
    /// What is added for the moment of a click and of a question, [rows, dim]; undefined without context.
    /// 为点击与提问的时刻所加的向量 [rows, dim]；没有 context 时未定义。
    at::Tensor click_moments, asked_moments;
    std::vector<Block> blocks;

    Transformer() = default;
    /// Fresh weights: items and positions normal(0, 0.02), products by the width of their input, biases zero.
    /// `content`: the width of the items' content, 0 for none.
    Transformer(const BlockSizes& sizes, std::int64_t items, Random& random, std::int64_t content = 0);
    Transformer(const Settings& settings, std::int64_t items, Random& random, std::int64_t content = 0)
        : Transformer(BlockSizes{settings.dim, settings.layers, settings.heads, settings.max_len}, items,
                      random, content) {}

    using Visit = std::function<void(const std::string& name, at::Tensor& tensor)>;
    /// Every tensor under the name that the model file gives it, in a fixed order.
    void for_each(const Visit& visit);
    /// The same tensors as a list; the item matrix is the first.
    std::vector<at::Tensor> tensors();

    /// The items' rows: item * keep + content projection^T. `keep` [items] is 0 where an item is to stand by its
    /// content alone; without content the rows are `item`.
    /// 物品的行：item * keep + content projection^T；keep 为 0 的物品只凭内容；没有内容时即 item。
    at::Tensor rows(const at::Tensor& content, const at::Tensor& keep, bool bfloat16) const;
    /// Begins with moments of so many rows that say nothing, or goes on without any.
    /// 以若干行尚无作用的时刻向量开始；0 行则没有。
    void begin_moments(std::int64_t rows);
    /// Hidden states of all tokens, [T, dim]. `dropout.rate` is 0 outside training. `moments`: what is said of each token,
    /// null for nothing.
    /// 所有位置的隐藏状态 [T, dim]。moments 为对各位置时刻的说明，空则没有。
    at::Tensor forward(const Batch& batch, Pass pass,
                       const std::shared_ptr<const Terms>& moments = nullptr) const;
};

}  // namespace seqrec::trainer
