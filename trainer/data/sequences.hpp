// What a pass over the data reads: each user's items, without what is held out whole, and where the order of what
// happened at one time says nothing, in an order drawn anew.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "random.hpp"

namespace seqrec::trainer {

/// Whether the order of interactions of one time is no more than the order of rows in a table: pairs of items that follow
/// one another at one time come again no more often than they do in a drawn order. A basket whose rows were
/// sorted, or typed in one by one, has an order that tells something.
/// 同一时间的交互之间的顺序是否毫无含义：相邻物品对重复出现的次数不多于随机顺序下的次数。
bool is_order_arbitrary(const Dataset& data);

/// The items of every user in a part.
/// 某部分中每个用户的物品。
class Sequences {
  public:
    /// `random`: draws the order of what happened at one time; null: as in the data.
    /// random：用于重新抽取同一时间内的顺序；空则保持数据中的顺序。
    Sequences(const Dataset& data, Part part, Random* random);

    std::int64_t users() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::span<const std::int32_t> of(std::int64_t user) const {
        const auto u = static_cast<std::size_t>(user);
        return {items_.data() + offsets_[u], static_cast<std::size_t>(offsets_[u + 1] - offsets_[u])};
    }
    /// Where in the sequences of all users (items_of_sequences()) each of them is.
    /// 各物品在全部用户序列（items_of_sequences()）中的位置。
    std::span<const std::int64_t> places(std::int64_t user) const {
        const auto u = static_cast<std::size_t>(user);
        return {places_.data() + offsets_[u], static_cast<std::size_t>(offsets_[u + 1] - offsets_[u])};
    }
    /// How many of a user's items here, from the oldest on, an earlier model has learned.
    /// 用户在此的物品中（从最早起）先前模型已学过的个数。
    std::int64_t known(std::int64_t user) const {
        return known_.empty() ? 0 : known_[static_cast<std::size_t>(user)];
    }
    bool builds_on_a_model() const { return !known_.empty(); }
    /// How often each item of so many is there.
    /// 每个物品出现的次数。
    std::vector<std::int64_t> counts(std::int64_t items) const;

  private:
    void draw_order(const Dataset& data, std::int64_t user, const std::vector<std::size_t>& places,
                    Random& random);

    std::vector<std::int64_t> offsets_{0};
    std::vector<std::int32_t> items_;
    std::vector<std::int64_t> places_;
    std::vector<std::int32_t> known_;
};

/// The share of each count in their sum; zeros where that is zero.
/// 每个计数占总和的比例；总和为零时均为零。
std::vector<float> proportions(const std::vector<std::int64_t>& counts);

}  // namespace seqrec::trainer
