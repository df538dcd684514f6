// The earlier model that a training starts from: its networks over the dataset's items and users, and what it can say again
// where the table no longer tells of it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kinds/shared/epochs.hpp"
#include "kinds/transformer/moments.hpp"
#include "kinds/transformer/rehearsal.hpp"
#include "kinds/transformer/transformer_settings.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "run/earlier_model.hpp"

namespace seqrec::trainer {

/// The earlier model of a training, by the dataset's items and users.
/// 训练所起始的早先模型：其网络对应到数据集的物品与用户，以及表中不再体现时它能重述的内容。
class Predecessor {
  public:
    /// New items get fresh rows, drawn from `random`, and new users zeros. Error 22023 where its shape is not that of `settings`.
    /// 新物品的行由 random 抽取，新用户为零；形状与 settings 不符则抛出 Error 22023。
    Predecessor(const EarlierModel& earlier, const Settings& settings, Random& random);

    /// The share of its users of whom the table no longer tells.
    /// 表中不再出现的用户占其用户的比例。
    double gone() const { return gone_; }
    bool has_content() const { return start_[0].network.projection.defined(); }
    /// Error 22023 where `content` [items, width], or none, is not what its weights were trained with: they mean nothing then.
    /// content [物品数, width]（或没有）与其权重训练时不符则抛出 Error 22023：此时权重没有意义。
    void check_content(const at::Tensor& content) const;
    /// What it knows of the moment and the data still have.
    /// 它所了解、且数据仍具有的时刻信息。
    ContextUse context(const Dataset& data) const;

    /// The networks to start with, one a member; may be asked once. New items without content begin where the items stand that were
    /// clicked beside them. What they know of moments goes on, the other rows of `moments` begin by saying nothing.
    /// 起始网络，每个成员一个，只能取一次。没有内容的新物品从与其相邻点击的物品处开始；对时刻的了解得以延续，moments 的其余行从零开始。
    Members start(const Dataset& data, const Moments& moments);
    /// What it says again, and how often: as the options say, else the more the less the table tells of what it was trained on. What is
    /// still there is said again by the rows themselves. Nothing where nothing is to be said; its time counts, a tenth of what
    /// there is at most.
    /// 它重述的内容与频率：按选项，否则表中所余越少则越多；仍在表中的由行本身重述。无需重述则为空；所用时间计入，至多十分之一。
    std::optional<Rehearsal> rehearse(const Run& run, Turn& turn) const;

  private:
    void remember(const EarlierModel& earlier, const Members& members);

    const Settings& settings_;
    Members start_;
    std::vector<std::string> moments_;  // names of rows
    ContextUse use_;
    Members said_;  // as they were, for training changes start_ in place; empty where nothing is said again
    EarlierItems items_;              // that those know
    std::vector<std::int32_t> rows_;  // of each item, in the earlier model; -1 for new ones
    double gone_ = 0;
};

}  // namespace seqrec::trainer
