// The weights of the two towers, and their forward pass.
//
// An item is unit(id residual + P content + bias), a query what the latest click attends to among the clicks,
// the latest click itself and the user's features make of each other. core/kinds/two_tower.cpp is the same
// for the last position.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kinds/shared/ops.hpp"
#include "kinds/shared/user_features.hpp"
#include "kinds/two_tower/tower_settings.hpp"

namespace seqrec::trainer {

/// The rows of some items' content, [n, width], and a column that is 0 where nothing is known, [n, 1]. Both
/// undefined where nothing is known of any.
/// 若干物品的内容行 [n, width]，以及一列标记（一无所知处为 0）[n, 1]；全都一无所知时均未定义。
struct ContentRows {
    at::Tensor rows, known;

    ContentRows() = default;
    explicit ContentRows(at::Tensor content);
    bool exist() const { return rows.defined(); }
    std::int64_t width() const { return exist() ? rows.size(1) : 0; }
    ContentRows part(std::int64_t begin, std::int64_t end) const;
    ContentRows at(const at::Tensor& index) const;
};

/// The dense weights; ids' residuals live in a RowTable. Copies share the tensors. What there is no use for,
/// without content, is undefined.
/// 稠密权重（id 残差另存于 RowTable）。复制对象共享张量；没有内容时相应张量未定义。
struct Towers {
    at::Tensor content_wide_weight, content_wide_bias, content_weight, content_bias;
    at::Tensor attention_weight, attention_bias, relative;
    at::Tensor wide_weight, wide_bias, wide_features, narrow_weight, skip_weight, skip_features, bias;
    at::Tensor features;       ///< [F, dim]
    at::Tensor shift;          ///< [1], of bce's logits
    double content_scale = 1;  ///< what content is multiplied with: long rows would learn too fast

    Towers() = default;
    /// Fresh weights. 全新的权重。
    Towers(const TowerSettings& settings, const ContentRows& content, std::int64_t features, Random& random);
    /// Of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件；缺失则抛出 Error XX001。
    explicit Towers(const SafetensorsFile& file);

    using Visit = std::function<void(const std::string& name, at::Tensor& tensor)>;
    /// Every tensor there is under the name that the model file gives it, in a fixed order.
    /// 按固定次序访问现有的全部张量，名称同模型文件。
    void for_each(const Visit& visit);
    std::vector<at::Tensor> tensors();
    std::int64_t dim() const { return bias.size(0); }

    /// Item vectors of unit length, [n, dim]; zeros of items that have neither an id's residual nor content.
    /// 单位长度的物品向量 [n, dim]；既无 id 残差又无内容者为零。
    at::Tensor items(const at::Tensor& residuals, const ContentRows& content) const;
    /// What content says of items, before their residuals are added, [n, dim]; zeros where nothing is known. Only with content.
    /// 内容对物品的描述（未加残差）[n, dim]；一无所知处为零。仅在有内容时可用。
    at::Tensor said(const ContentRows& content) const;
    /// At every click, what it attends to of the clicks up to it, and itself, [T, 2 dim]. `items` [n, dim] are
    /// what the batch's indexes mean.
    /// 每次点击处：对此前点击的注意力结果与该点击本身 [T, 2 dim]。
    at::Tensor look(const Batch& batch, const at::Tensor& items, Pass pass) const;
    /// The sum of each of several lists of features, [n, dim]. 多组特征各自之和 [n, dim]。
    at::Tensor sums(const std::vector<std::span<const QueryFeature>>& features) const;
    /// Queries of unit length of rows as look() gives them. `add(hidden, rows)` adds what the features' `sums` say.
    /// 由 look() 的结果得到单位长度的查询；add(hidden, rows) 将特征之和 sums 所说的加上。
    using Add = std::function<at::Tensor(const at::Tensor& hidden, const at::Tensor& rows)>;
    at::Tensor answer(const at::Tensor& seen, const at::Tensor& sums, const Add& add, Pass pass) const;
};

}  // namespace seqrec::trainer
