// Who interacted with what, as a model reads it, and which of it is held out to measure one.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace seqrec {

/// Which interactions count: repeats of an item that the user has had before are kept, or each (user, item) pair
/// is reduced to its first; where they are kept, the same item right after itself within so many seconds counts
/// once.
/// 哪些交互计入：保留重复，或每个（用户, 物品）只保留首次；保留时，若干秒内紧接自身的同一物品只计一次。
struct EventRules {
    bool keeps_repeats = true;
    std::optional<double> merge_seconds{};
};

/// The interactions of a table that count, user by user, oldest first, in 20 bytes each (24 with labels).
/// 表中计入的交互，按用户排列，最早的在前；每条 20 字节（带标签为 24 字节）。
class EventLog {
  public:
    /// `labelled`: whether labels are kept.
    /// labelled：是否保留标签。
    explicit EventLog(const EventRules& rules, bool labelled = false);

    /// What follows is the next user's.
    /// 其后为下一个用户的交互。
    void begin_user();
    /// One row of the current user, not older than the one before; items are indexes, those of one id the same.
    /// 当前用户的一行，不早于前一行；物品以下标表示。
    void add(std::int32_t item, double time, float label = std::numeric_limits<float>::quiet_NaN());

    std::int64_t users() const { return static_cast<std::int64_t>(begins_.size()); }
    /// Rows added, and those of them that count.
    /// 加入的行数，以及其中计入的行数。
    std::int64_t rows() const { return rows_; }
    std::int64_t events() const { return static_cast<std::int64_t>(items_.size()); }
    std::span<const std::int32_t> items(std::int64_t user) const { return of(items_, user); }
    std::span<const double> times(std::int64_t user) const { return of(times_, user); }
    /// Empty without labels; not a number where the row had none.
    /// 没有标签时为空；该行无标签时为 NaN。
    std::span<const float> labels(std::int64_t user) const { return of(labels_, user); }
    bool keeps_repeats() const { return rules_.keeps_repeats; }
    /// The time of every row added, in their order, those that don't count too.
    /// 每一行（含不计入者）的时间。
    const std::vector<double>& all_times() const { return all_times_; }

  private:
    bool counts(std::int32_t item, double time);

    template <typename T>
    std::span<const T> of(const std::vector<T>& all, std::int64_t user) const {
        if (all.empty()) return {};
        const auto u = static_cast<std::size_t>(user);
        const std::size_t end = u + 1 < begins_.size() ? begins_[u + 1] : all.size();
        return {all.data() + begins_[u], end - begins_[u]};
    }

    EventRules rules_;
    bool labelled_;
    std::int64_t rows_ = 0;
    std::vector<std::size_t> begins_;
    std::vector<std::int32_t> items_;
    std::vector<double> times_, all_times_;
    std::vector<float> labels_;
    std::vector<std::int64_t> met_by_;  // of each item, the last user who had it, from 1
    std::int32_t last_item_ = -1;       // of the row before, whether it counts or not
    double last_time_ = 0;
};

/// When the periods of validation and test begin: the latest time that is not in them.
/// 验证期与测试期开始前的最后时刻。
struct Periods {
    double validation_after, test_after;
};
/// By the times of all rows: the last tenth is the test, the tenth before it the validation.
/// 按全部行的时间：最后十分之一为测试，其前十分之一为验证。
Periods periods_of(std::span<const double> times);

/// How rows are held out.
/// 留出方式。
enum class Split : std::uint8_t {
    LeaveOneOut,  ///< the last of each user who has three or more is asked for; the last two teach nothing
    Time,         ///< all of the last tenth of the time, but users' first; the last fifth teaches nothing
    HeldOut,      ///< every one but users' first, and nothing of the table teaches
};

/// What does a user choose at place `at` of the sequence, after all that lies before?
/// 用户在序列第 at 位、在此前全部交互之后选择什么？
struct Question {
    std::int32_t user, at;

    bool operator==(const Question&) const = default;
};

/// What is asked, by user, and how many of each user's interactions, from the oldest on, may teach.
/// 按用户排列的问题，以及每个用户可用于学习的交互数（从最早的起）。
struct HeldOut {
    std::vector<Question> questions;
    std::vector<std::int32_t> training;
};
/// The test of a training that reads the same rows with the same split, but for HeldOut.
/// 与以相同划分读取相同数据的训练所用的测试一致（HeldOut 除外）。
HeldOut hold_out(const EventLog& log, Split split);
/// Only the questions of at most `most` users, evenly spread; all where `most` is 0.
/// 只保留至多 most 个（均匀选取的）用户的问题；most 为 0 则全部保留。
void thin_out_users(std::vector<Question>& questions, std::int64_t most);
/// How many users questions in the order of users are about.
/// 按用户排序的问题所涉及的用户数。
std::int64_t users_of(std::span<const Question> questions);

}  // namespace seqrec
