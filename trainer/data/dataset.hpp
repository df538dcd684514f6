// What the trainer learns from: sequences of item indexes by user, and what of them is held out.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec::trainer {

/// What is learned from: everything but the held-out items, or everything.
/// 学习的范围：除留出物品外，或全部。
enum class Part : std::uint8_t { Training, All };

/// Which held-out interactions are asked for: those that training is steered by, or those that measure it.
/// 留出的交互：用于引导训练的，或用于测量的。
enum class HeldOut : std::uint8_t { Validation, Test };

/// What does a user choose at place `at` of the sequence, after all that lies before?
/// 用户在序列第 at 位、在此前全部交互之后选择什么？
struct Question {
    std::int32_t user, at;

    bool operator==(const Question&) const = default;
};
/// How many users questions in the order of users are about.
/// 按用户排序的问题所涉及的用户数。
std::size_t users_of(const std::vector<Question>& questions);

/// What is held out: the last two interactions of each user (or of some users, drawn), what happened last of all, or a fifth by chance.
/// 留出的内容：每个用户（或抽取的部分用户）的最后两次交互、全部中最晚发生的，或随机的五分之一。
enum class Split : std::uint8_t { LeaveOneOut, Time, Random };

/// The options `repeats`, `merge_seconds`, `split`, `holdout_share` and `seed`: how the interactions of a file are read.
/// 选项 repeats、merge_seconds、split、holdout_share 与 seed：如何读取文件中的交互。
struct DatasetOptions {
    std::string repeats = "auto";  // or keep or first
    std::optional<double> merge_seconds;
    Split split = Split::LeaveOneOut;
    std::uint64_t seed = 1;       // of the random split, and of who is measured
    double holdout_share = 1;     // of the users, whose last interactions are held out
    bool sequences = true;        // whether some user has to have interacted twice
    bool knows_users = false;     // by more than what they did: who is not trained on is no stranger
    double cold_share = 0;        // of the items with content that are held out whole
    bool asks_by_weight = false;  // whether what weighs 0 or less (event.weight) is never asked for

    DatasetOptions() = default;
    /// From a full set of options.
    /// 由完整的选项构造。
    explicit DatasetOptions(const nlohmann::json& options);
};

/// The interactions of a dataset file. Repeats, the interactions with an item that the user has had before,
/// are kept, or each (user, item) pair is reduced to its first.
/// 数据集文件中的交互；重复交互予以保留，或每个（用户, 物品）只保留首次。
class Dataset {
  public:
    /// Reads and checks a dataset file. Errors: XX001 (not a valid dataset), 22000 (nothing to learn from).
    explicit Dataset(const std::string& path, const DatasetOptions& options = {});

    /// The job that the file was written for, a uuid; empty when it names none.
    /// 该文件所属任务的 uuid；未注明则为空。
    const std::string& job() const { return job_; }
    std::int64_t users() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::int64_t items() const { return items_; }
    /// Interactions in the file, and those that count: without what was merged and what was reduced.
    std::int64_t rows() const { return rows_; }
    std::int64_t interactions() const { return static_cast<std::int64_t>(sequence_.size()); }

    /// Whether sequences hold an item as often as the user had it.
    /// 序列是否保留重复的物品。
    bool keeps_repeats() const { return keep_; }
    /// The share of repeats among the interactions that measure the model, before any is reduced; nothing
    /// without such interactions.
    /// 用于测量的交互（去重前）中重复的占比；没有则为空。
    std::optional<double> repeat_share() const { return repeat_share_; }
    Split split() const { return options_.split; }
    bool split_by_time() const { return options_.split == Split::Time; }
    double holdout_share() const { return options_.holdout_share; }
    /// How the file was read, as a model's config tells it: `repeats`, `merge_seconds`, `split`, `holdout_share`.
    /// 读取方式，写入模型的 config。
    nlohmann::json config() const;

    /// All items of a user, oldest first; split by chance, the training part first, then what is held out.
    /// 用户的全部物品，最早的在前；随机划分时训练部分在前，留出部分在后。
    std::span<const std::int32_t> sequence(std::int64_t user) const {
        return {sequence_.data() + offsets_[user],
                static_cast<std::size_t>(offsets_[user + 1] - offsets_[user])};
    }
    /// The training part: all but the last two items of a user who has three or more; split by time, what
    /// happened before the validation period.
    /// 训练部分：除最后两个物品（用户至少有三个）；按时间划分时为验证期之前的交互。
    std::span<const std::int32_t> training(std::int64_t user) const {
        return sequence(user).first(static_cast<std::size_t>(training_[static_cast<std::size_t>(user)]));
    }
    /// Who asks a question: -1, a stranger, for a user without a training part of whom nothing else is known.
    /// 提问者：没有训练部分且别无所知的用户为 -1（陌生人）。
    std::int32_t asker(const Question& question) const {
        return options_.knows_users || !training(question.user).empty() ? question.user : -1;
    }
    /// Where in a user's sequence the interactions lie that the questions of a part are about; there may be one
    /// that is no question, as the first of a user's is when split by time.
    /// 某部分的留出交互在用户序列中的区间；其中可能有并非问题的交互（如按时间划分时用户的首次交互）。
    std::pair<std::int32_t, std::int32_t> held_out(std::int64_t user, HeldOut which) const {
        const auto u = static_cast<std::size_t>(user);
        return which == HeldOut::Validation
                   ? std::pair(training_[u], tested_from_[u])
                   : std::pair(tested_from_[u], static_cast<std::int32_t>(sequence(user).size()));
    }
    /// Whether a user's interaction `at` happened at the time of the one before, as far as the data know.
    /// 用户的第 at 次交互与前一次是否为同一时间。
    bool same_time(std::int64_t user, std::size_t at) const {
        return at > 0 && same_time_[static_cast<std::size_t>(offsets_[user]) + at];
    }
    /// Whether an item is held out of the training part whole, so that it is measured as one that is new: nothing
    /// that anybody did with it is trained on, and no question but cold_questions() is about it.
    /// 物品是否被整个留出训练部分，以按新物品测量：与它有关的交互都不参与训练，只有 cold_questions() 会问到它。
    bool is_held_out(std::int32_t item) const {
        return !held_out_items_.empty() && held_out_items_[static_cast<std::size_t>(item)];
    }
    /// The items that are held out whole, ascending.
    /// 被整个留出的物品，升序。
    std::vector<std::int32_t> held_out_items() const;
    /// Questions about items that are held out whole, taken out of the list.
    /// 关于被整个留出的物品的问题，取自相应列表。
    const std::vector<Question>& cold_questions(HeldOut which) const {
        return which == HeldOut::Test ? cold_test_ : cold_validation_;
    }
    std::span<const std::int32_t> part(std::int64_t user, Part part) const {
        return part == Part::All ? sequence(user) : training(user);
    }
    /// Interactions of all users' training parts.
    /// 所有用户训练部分的交互数。
    std::int64_t training_interactions() const;

    /// The questions about held-out items, by user. Leave-one-out, of a user who has three or more items: the
    /// last (test) and the one before (validation). By time: every interaction of the period that is not its
    /// user's first.
    /// 关于留出物品的问题：留一法为最后一个（测试）与前一个（验证）；按时间划分时为该时段内非首次的全部交互。
    const std::vector<Question>& questions(HeldOut which) const {
        return which == HeldOut::Test ? test_ : validation_;
    }
    /// The time of each user's latest interaction, as the dataset file has it; -infinity without one.
    const std::vector<double>& seen_until() const { return seen_until_; }
    /// Leaves only the questions of users of whom even the earliest question is later than `seen_until` of
    /// the user: a model that starts from one which knows them would be measured on what it has been told.
    /// 只保留最早问题也晚于 seen_until 的用户，以免用模型已见过的数据评估它。
    void evaluate_only_after(const std::vector<double>& seen_until);
    /// Remembers how many items of each user are no later than `seen_until`: an earlier model has learned
    /// them.
    /// 记录每个用户不晚于 seen_until 的物品数：先前的模型已学过它们。
    void know_until(const std::vector<double>& seen_until);
    /// How many items of each user are no later than `seen_until`.
    /// 每个用户不晚于 seen_until 的物品数。
    std::vector<std::int32_t> known_until(const std::vector<double>& seen_until) const;
    /// How many of a user's items, from the oldest on, an earlier model has learned; 0 without one.
    /// 用户的物品中（从最早的起）先前模型已学过的个数；没有则为 0。
    std::int64_t known(std::int64_t user) const {
        return known_.empty() ? 0 : known_[static_cast<std::size_t>(user)];
    }
    bool builds_on_a_model() const { return !known_.empty(); }
    /// Interactions of each item in a part.
    /// 某部分中每个物品的交互数。
    std::vector<std::int64_t> counts(Part part) const;
    /// Interactions of each item overall, where one that is older by a ninth of the time between the first
    /// and the last twentieth of all interactions (about a tenth of the data's time) counts half as much.
    /// 每个物品的交互数；每早约数据时间跨度的十分之一，权重减半。
    std::vector<float> recent_counts(Part part = Part::All) const;
    /// The sequences of all users, one after the other.
    /// 各用户的序列依次相接。
    std::span<const std::int32_t> items_of_sequences() const { return sequence_; }
    /// The row of the file, and with it its time and features, of each interaction of all sequences.
    /// 各序列中每次交互在文件中的行号，由此得到其时间与特征。
    std::vector<std::int64_t> rows_of_sequences() const;
    const SafetensorsFile& file() const { return file_; }
    /// Where each user's items begin in what seen_items() gives, and where the last user's end.
    /// 每个用户的物品在 seen_items() 结果中的起始位置，以及末尾。
    const std::vector<std::int64_t>& offsets() const { return offsets_; }
    /// The items of sequence(), user after user, oldest first. Without repeats each user's are in the order
    /// of their last interaction.
    /// 依次给出各用户的物品（与 sequence() 相同），最早的在前；不保留重复时按最后一次交互的时间排序。
    std::vector<std::int32_t> seen_items() const;

  private:
    class Events;

    Events events() const;
    void choose_periods(std::span<const double> times);
    void rows_of(Events& events, std::int64_t user, std::vector<std::int64_t>* rows) const;
    int part_by_chance(std::int64_t row) const;
    std::vector<std::int32_t> items_by_time() const;
    void choose_repeats(Events events);
    void read(Events events);
    void ask_about(std::int32_t user, std::span<const double> times, std::span<const std::int64_t> rows);
    bool is_asked(std::int64_t row) const;
    void hold_items_out();
    void ask_by_chance(std::int32_t user, const std::vector<std::int64_t>& rows);
    void check() const;

    SafetensorsFile file_;  // mapped: times are kept nowhere else
    DatasetOptions options_;
    std::string job_;
    bool keep_ = true;
    std::optional<double> repeat_share_;
    double validation_after_ = 0, test_after_ = 0;  // split by time
    std::int64_t items_ = 0, rows_ = 0;
    std::vector<std::int64_t> offsets_;
    std::vector<std::int32_t> sequence_;
    std::span<const float> weights_;         // by row; empty where all are asked for
    std::vector<std::int32_t> training_;     // items of each user's training part
    std::vector<std::int32_t> tested_from_;  // where each user's test begins
    std::vector<bool> same_time_;            // of each interaction of sequence_
    std::vector<bool> held_out_items_;       // empty for none
    std::vector<Question> validation_, test_, cold_validation_, cold_test_;
    std::vector<double> seen_until_, first_asked_;
    std::vector<std::int32_t> known_;
};

}  // namespace seqrec::trainer
