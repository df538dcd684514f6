// The weights of kind p5, and its forward pass. core/kinds/p5.cpp is the same for the last token.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kinds/p5/p5_settings.hpp"
#include "kinds/p5/prompt.hpp"
#include "kinds/shared/blocks.hpp"

namespace seqrec::trainer {

/// The dense weights; users' own tokens live in a RowTable. Copies share the tensors.
/// 稠密权重（用户自己的词元另存于 RowTable）。复制对象共享张量。
struct P5Network {
    at::Tensor item, position;
    at::Tensor special;   ///< [kSpecials, dim]
    at::Tensor features;  ///< [F, dim]
    at::Tensor norm_weight, norm_bias;
    at::Tensor head;  ///< [dim, dim]: what is added to a hidden state is its product with it
    std::vector<Block> blocks;

    P5Network() = default;
    /// Fresh weights; `features`: rows of them. 全新的权重；features 为特征行数。
    P5Network(const P5Settings& settings, std::int64_t items, std::int64_t features, Random& random);
    /// Of a model or snapshot file. 读取模型或快照文件。
    explicit P5Network(const SafetensorsFile& file);

    using Visit = std::function<void(const std::string& name, at::Tensor& tensor)>;
    /// Every tensor under the name that the model file gives it, in a fixed order; the item matrix is the first.
    /// 按固定次序访问全部张量，名称同模型文件；物品矩阵居首。
    void for_each(const Visit& visit);
    std::vector<at::Tensor> tensors();
    /// Whether a stage changes the tensor of a name. 某阶段是否改变该名称的张量。
    static bool is_trained(const std::string& name, Stage stage);
    std::int64_t dim() const { return item.size(1); }

    /// Hidden states of all tokens, [T, dim]; `personal`: the rows that TokenTable::Personal means.
    /// 所有词元的隐藏状态 [T, dim]；personal 为 TokenTable::Personal 所指的行。
    at::Tensor forward(const std::shared_ptr<const Reading>& reading, const at::Tensor& personal,
                       Pass pass) const;
    /// Queries of unit length of some hidden states, to which the head adds its part after a prompt (`prompted` is 1). Without
    /// one the answer is that of the blocks alone, which no head that is tuned for prompts changes.
    /// 由隐藏状态得到单位长度的查询；有提示时（prompted 为 1）加上输出头的部分；无提示时仅由各块得出，不受为提示调整的输出头影响。
    at::Tensor answer(const at::Tensor& hidden, const std::vector<float>& prompted,
                      bool bfloat16 = false) const;
};

/// A network and the rows of users' own tokens, [users, dim].
/// 网络与各用户自己的词元行 [用户数, dim]。
struct P5State {
    P5Network network;
    at::Tensor personal;
};
P5State copy_of(P5State state);

}  // namespace seqrec::trainer
