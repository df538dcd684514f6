// The weights of a trained pair of towers.
#pragma once

#include <memory>
#include <vector>

#include "kinds/two_tower/towers.hpp"
#include "kinds/weights.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {

/// Both towers and the ids' residuals, [items, dim].
/// 两座塔，以及 id 残差 [物品数, dim]。
struct TowerPair {
    Towers towers;
    at::Tensor residuals;
    at::Tensor fresh{};  ///< [dim], the residual of a described item that nobody has had; undefined for zeros
};

/// The pair with `fresh` as shared/cold_shift.hpp says for a share, and with it the residuals of the items that have
/// content and are not among `had` (ascending).
/// 按给定份额（见 shared/cold_shift.hpp）设置 fresh，并据此设置有内容而不在 had（升序）中的物品的残差。
TowerPair with_fresh_residuals(TowerPair pair, const ContentRows& content,
                               const std::vector<std::int32_t>& had, const at::Tensor& mean_query,
                               double share);

/// All items' rows, some at a time, by all workers. 由全部工作线程分批计算所有物品的行。
at::Tensor item_rows_of(const TowerPair& pair, const ContentRows& content, Workers& workers);

/// Rows and queries are of unit length.
/// 行与查询均为单位长度。
class TowerWeights final : public Weights {
  public:
    /// `rows` as item_rows_of() gives them.
    /// rows 由 item_rows_of() 给出。
    TowerWeights(TowerPair pair, at::Tensor rows, std::shared_ptr<const UserFeatures> features);
    /// Of a model or snapshot file; Error XX001 when it lacks one.
    /// 读取模型或快照文件；缺失则抛出 Error XX001。
    explicit TowerWeights(const SafetensorsFile& file);

    /// The same over other items: of each the row that it has here or -1, and its content, [items, width] or
    /// undefined. Error 22023 when the content is none that the towers know.
    /// 用于另一组物品：各物品在此的行号（或 -1）与内容 [物品数, width]（可未定义）。内容不符则抛出 Error 22023。
    TowerWeights over(const std::vector<std::int32_t>& rows, const at::Tensor& content) const;
    const TowerPair& pair() const { return pair_; }
    const UserFeatures& features() const { return *features_; }
    at::Tensor item_rows() const override { return rows_; }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override;
    at::Tensor user_rows() const override { return at::empty({users_, 0}); }
    std::vector<NamedTensor> tensors() const override;

  private:
    void look();
    void encode_part(const Histories& histories, const std::vector<std::int32_t>& users, std::size_t begin,
                     std::size_t end, const at::Tensor& result) const;

    TowerPair pair_;
    at::Tensor rows_;
    std::shared_ptr<const UserFeatures> features_;
    std::int64_t users_;
    std::vector<bool> empty_;  // items of which nothing is known
};

}  // namespace seqrec::trainer
