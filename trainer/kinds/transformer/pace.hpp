// How fast a training learns on this machine, and what of it fits into the time there is.
#pragma once

#include <nlohmann/json.hpp>

#include "kinds/shared/epochs.hpp"
#include "kinds/transformer/transformer_settings.hpp"

namespace seqrec::trainer {

/// What the options leave open.
/// 选项未指定的内容。
struct Open {
    bool members = false, students = false, sampled_items = false;
};

/// Labels a second of one network, what a pass over the training part has, and the epochs that are enough for one.
/// 单个网络每秒学习的标签数、训练部分每轮的标签数，以及一个网络所需的轮数。
struct Speed {
    double labels_per_second, labels, epochs;

    /// How many networks get epochs enough in so many seconds.
    /// 给定秒数内能得到足够轮数的网络个数。
    double networks_in(double seconds) const;
};

/// Of `wanted` networks so many as each get epochs enough, at least one: several that are starved rank worse than one that is not.
/// wanted 个网络中取足以各自训练充分的个数，至少一个：多个训练不足的网络不如一个充分的。
std::int64_t members_that_fit(std::int64_t wanted, const Speed& speed, double seconds);

/// The speed of a training, by some of its steps; their time counts. Little data is never short of time, and an update goes on as its
/// model was trained: nothing is timed.
/// 由若干步测得的训练速度，所用时间计入；数据很少或为更新时无需计时。
class Pace {
  public:
    /// Settles `sampled_items` where it is open: a drawn sample of the items where that lets more networks finish.
    /// 确定未指定的 sampled_items：若抽样能使更多网络完成，则抽取部分物品。
    Pace(const Run& run, Settings& settings, const Open& open, const Random& random, Turn& turn);

    /// How many labels are learned in so many seconds; all there ever are where nothing was timed.
    /// 给定秒数内能学习的标签数；未计时则为无穷。
    double labels_in(double seconds) const;
    /// Settles `members` and `students` where they are open, by the time that is left; a warning where there are fewer networks than
    /// the data ask for.
    /// 按剩余时间确定未指定的 members 与 students；网络少于数据所需时给出警告。
    void settle_networks(const Turn& turn);
    /// `pace`, where anything was timed.
    /// 计时后的 pace。
    nlohmann::json metrics() const;

  private:
    Speed timed(const Settings& settings, const Random& random) const;
    bool can_teach() const;
    void serve_one();
    void choose_sample(const Random& random, double seconds);
    double left(const Turn& turn) const;

    const Run& run_;
    Settings& settings_;
    const Open open_;
    Speed speed_{0, 0, 0};  // 0 a second: not timed
    nlohmann::json told_ = nlohmann::json::object();
};

}  // namespace seqrec::trainer
