// Kind `two_tower`: a tower that makes a vector of an item's content and id, and one that makes a query of the
// clicked items' vectors and the user's features.
#pragma once

#include <memory>

#include "core/kinds/kind.hpp"

namespace seqrec {

extern const Kind kTwoTower;

/// The user tower over the item vectors of a file. The latest click attends to all clicks, each head with
/// what it adds for their age; a small network makes the query of what is pooled, of the latest click and of
/// the user's features. A query is of unit length. No clicks: features alone answer; neither: not known.
/// 基于文件中物品向量的用户塔：最近一次点击对全部点击做注意力（按新旧加偏置），再由小网络将汇聚结果、最近点击与
/// 用户特征变为查询。查询为单位长度；没有点击则只由特征回答，两者皆无则未知。
class TwoTowerEncoder final : public Encoder {
  public:
    explicit TwoTowerEncoder(const SafetensorsFile& file);
    ~TwoTowerEncoder() override;

    int dim() const override;
    int reach() const override;
    Encoded encode(const EncoderInput& input, std::span<float> out, Precision precision) const override;
    std::vector<std::string> unknown_context(const nlohmann::json& context) const override;

  private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
