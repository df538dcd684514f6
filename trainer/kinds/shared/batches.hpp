// Packed batches: sequences one after the other, without a single padded position.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/sequences.hpp"
#include "kinds/shared/soft_labels.hpp"
#include "random.hpp"

namespace seqrec::trainer {

/// Sequences laid end to end. Sequence s is items[offsets[s] .. offsets[s+1]); labels[t] is the item that
/// follows items[t] (empty when nothing is trained); `users` holds a user for each sequence, -1 for none.
/// 首尾相接的序列，没有任何填充。labels[t] 是 items[t] 之后的物品；users 为每个序列的用户，-1 表示无。
struct Packed {
    std::vector<std::int32_t> items, labels, users;
    std::vector<std::int32_t> begins;  // of each sequence: where it begins in its user's history
    std::vector<std::int64_t> offsets{0};
    /// Of each input and of each label, where it is among all sequences (Sequences::places), -1 for what nobody had; empty where
    /// nobody asks.
    /// 各输入与各标签在全部序列中的位置，无人交互过者为 -1；无人需要时为空。
    std::vector<std::int64_t> places, label_places;
    std::vector<float> label_weights;   // what each label counts; empty: all the same
    SoftLabels soft;                    // of each label; `shares` of 0 where nothing is said
    std::vector<std::int32_t> trained;  // positions that have a label, when not all have: labels go with them
    std::uint32_t seed = 0;             // of this batch's dropout masks

    std::int64_t tokens() const { return static_cast<std::int64_t>(items.size()); }
    std::int64_t sequences() const { return static_cast<std::int64_t>(users.size()); }
    void append(std::span<const std::int32_t> sequence, std::int32_t user, std::int32_t begin = 0);
};

/// A batch that the backward pass still needs.
/// 反向传播仍需使用的批次。
using Batch = std::shared_ptr<const Packed>;

/// Tokens that are encoded at a time where nothing is learned. 只编码不训练时每次处理的词元数。
inline constexpr std::int64_t kEncodedTokens = 4096;

/// One window of a user's training history: the inputs [begin, end), whose labels are one further.
struct Window {
    std::int32_t user, begin, end;
};

/// Of what an earlier model has learned already so much is trained on in a pass, drawn anew each time: what is new has to be
/// learned, the rest not forgotten.
/// 每轮只重新抽取先前模型已学内容的这一比例：新的需要学习，旧的只需不忘。
inline constexpr double kOldShare = 0.25;

/// Cuts every training history into windows of at most max_len inputs that cover each label once. The first
/// cut of a long history is drawn anew each epoch, so that a label is seen with contexts of many lengths. Of the windows that
/// an earlier model has learned whole only kOldShare are given.
/// 将每个训练历史切成至多 max_len 的窗口，每个标签恰好覆盖一次；长历史的首个切点每轮随机。
/// 先前模型已完整学过的窗口只给出 kOldShare 的比例。
std::vector<Window> cut_windows(const Sequences& data, std::int64_t max_len, Random& random);

/// Groups shuffled windows into steps of about batch_tokens inputs: the end index of each step.
std::vector<std::size_t> cut_steps(const std::vector<Window>& windows, std::int64_t batch_tokens);

/// Spreads the windows of one step over shards of nearly equal work. Beside new labels only kOldShare of those that an
/// earlier model has learned are kept.
/// 将一步的窗口分摊到工作量相近的分片。与新标签同窗口的已学标签只保留 kOldShare 的比例。
std::vector<Packed> pack_shards(const Sequences& data, std::span<const Window> windows, int shards,
                                double user_dropout, Random& random);

}  // namespace seqrec::trainer
