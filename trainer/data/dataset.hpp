// What the trainer learns from: sequences of item indexes by user, and which of them are held out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec::trainer {

/// What is learned from: everything but the held-out items, or everything. 学习的范围：除留出物品外，或全部。
enum class Part : std::uint8_t { Training, All };

/// The interactions of a dataset file, each (user, item) pair reduced to its first occurrence: an item that a
/// user has seen is never recommended again,
/// so a repetition is nothing to predict. 数据集文件中的交互；每个（用户,
/// 物品）只保留首次出现，因为看过的物品不会再次推荐。
class Dataset {
  public:
    /// Reads and checks a dataset file. Errors: XX001 (not a valid dataset), 22000 (nothing to learn from).
    explicit Dataset(const std::string& path);

    /// The job that the file was written for, a uuid; empty when it names none.
    /// 该文件所属任务的 uuid；未注明则为空。
    const std::string& job() const { return job_; }
    std::int64_t users() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::int64_t items() const { return items_; }
    /// Interactions in the file, and those left after repetitions were removed.
    std::int64_t rows() const { return rows_; }
    std::int64_t interactions() const { return static_cast<std::int64_t>(sequence_.size()); }

    /// All items of a user, oldest first.
    std::span<const std::int32_t> sequence(std::int64_t user) const {
        return {sequence_.data() + offsets_[user],
                static_cast<std::size_t>(offsets_[user + 1] - offsets_[user])};
    }
    /// The training part: all but the last two items of a user who has three or more.
    std::span<const std::int32_t> training(std::int64_t user) const {
        const auto all = sequence(user);
        return all.size() >= 3 ? all.first(all.size() - 2) : all;
    }
    std::span<const std::int32_t> part(std::int64_t user, Part part) const {
        return part == Part::All ? sequence(user) : training(user);
    }
    /// Users with three or more items, whose last two are held out.
    const std::vector<std::int32_t>& evaluated() const { return evaluated_; }
    /// The time of each user's latest interaction, as the dataset file has it; -infinity without one.
    const std::vector<double>& seen_until() const { return seen_until_; }
    /// Leaves only those users in evaluated() whose held-out items are both later than `seen_until` of the
    /// user: a model that starts from one which knows them would be measured on what it has been told.
    /// 只保留留出物品均晚于 seen_until 的用户，以免用模型已见过的数据评估它。
    void evaluate_only_after(const std::vector<double>& seen_until);
    /// Remembers how many items of each user are no later than `seen_until`: an earlier model has learned
    /// them. 记录每个用户不晚于 seen_until 的物品数：先前的模型已学过它们。
    void know_until(const std::vector<double>& seen_until);
    /// How many of a user's items, from the oldest on, an earlier model has learned; 0 without one.
    /// 用户的物品中（从最早的起）先前模型已学过的个数；没有则为 0。
    std::int64_t known(std::int64_t user) const {
        return known_.empty() ? 0 : known_[static_cast<std::size_t>(user)];
    }
    bool builds_on_a_model() const { return !known_.empty(); }
    /// Interactions of each item in a part. 某部分中每个物品的交互数。
    std::vector<std::int64_t> counts(Part part) const;
    /// Interactions of each item overall, where one that is older by a ninth of the time between the first
    /// and the last twentieth of all interactions (about a tenth of the data's time) counts half as much.
    /// 每个物品的交互数；每早约数据时间跨度的十分之一，权重减半。
    std::vector<float> recent_counts() const;
    /// Where each user's items begin in what seen_items() gives, and where the last user's end.
    /// 每个用户的物品在 seen_items() 结果中的起始位置，以及末尾。
    const std::vector<std::int64_t>& offsets() const { return offsets_; }
    /// The items of sequence(), user after user, each user's in the order of their last interaction, oldest
    /// first. 依次给出各用户的物品（与 sequence() 相同），按最后一次交互的时间排序，最早的在前。
    std::vector<std::int32_t> seen_items() const;

  private:
    void remove_repetitions(std::span<const std::int64_t> offsets, std::span<const std::int32_t> items,
                            std::span<const double> times);
    void check() const;

    SafetensorsFile file_;  // mapped: repetitions are kept nowhere else
    std::string job_;
    std::int64_t items_ = 0, rows_ = 0;
    std::vector<std::int64_t> offsets_;
    std::vector<std::int32_t> sequence_;
    std::vector<std::int32_t> evaluated_;
    std::vector<double> seen_until_, validation_time_;
    std::vector<std::int32_t> known_;
};

}  // namespace seqrec::trainer
