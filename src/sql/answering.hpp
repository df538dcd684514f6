// What all functions that recommend do between their arguments and their rows. PostgreSQL code: may ereport.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/recommend.hpp"

#include "pg/boundary.hpp"
#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"

namespace seqrec {

/// Answers until their rows are built. Static, so that no destructor is skipped when building them fails.
/// 在构建结果行之前保存答案。为静态对象，因此构建失败时不会漏掉析构。
struct Work {
    ServingModel* model;
    Request request;
    std::shared_ptr<const Candidates> candidates;  // null: all items
    Poll poll = check_for_interrupts;
    std::unique_ptr<const Recommender> recommender;
    std::vector<Answer> answers;
};
extern Work work;

/// Reads the histories that are wanted, then opens the model: a view over the ratings may have called
/// seqrec_recommend itself, and another version may be active since.
/// 先读取所需的历史记录，再打开模型：评分视图可能自己调用过 seqrec_recommend，此间启用版本也可能已切换。
void begin_answering(Wish& wish, std::span<SqlAsker> askers);

/// For all users that the model knows: with the active version, though others answer with the earlier one until its snapshot is
/// ready.
/// 针对模型认识的全部用户：总用启用版本，即使其他查询在快照就绪前仍用上一版本应答。
void begin_answering_all(Wish& wish);

/// The part of it that comes after the histories, for who reads those differently.
/// 其中读取历史记录之后的部分，供以其他方式读取者使用。
const ServingModel& open_for_answering(Wish& wish, std::span<SqlAsker> askers);

/// An asker for each user, in palloc'd memory; their clicks are not given yet.
/// 为每个用户建立一个请求者（palloc 分配），尚未给出点击。
std::span<SqlAsker> askers_of(const IdArray& users);

/// An asker's ids as the model spells them.
/// 将请求者的 id 统一为模型的写法。
void canonicalize(SqlAsker& asker, const ServingModel& model);

/// Fills work.answers for some of the askers.
/// 为部分请求者填充 work.answers。
void answer(std::span<const SqlAsker> askers);

inline constexpr int kMostAskers = 1000000;
inline constexpr std::size_t kAskersAtOnce = 512;  ///< whose answers wait for their rows at a time

/// Calls `put(index, answer)` for each, in memory that lasts no longer than all of them.
/// 对每个答案调用 put(序号, 答案)，所用内存在全部完成后释放。
template <typename Put>
void put_each(std::span<const Answer> answers, Put put) {
    const MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "seqrec rows", ALLOCSET_DEFAULT_SIZES);
    const MemoryContext before = MemoryContextSwitchTo(scratch);
    for (std::size_t i = 0; i < answers.size(); ++i) put(i, answers[i]);
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
}

/// Answers all askers, block after block, and calls `put(index, answer)` for each, so that the rows of many
/// need no more memory than one block's.
/// 逐块回答所有请求者并逐个调用 put，使大量结果行只占一块的内存。
template <typename Put>
void answer_in_blocks(std::span<const SqlAsker> askers, Put put) {
    for (std::size_t at = 0; at < askers.size(); at += kAskersAtOnce) {
        const auto block = askers.subspan(at, Min(kAskersAtOnce, askers.size() - at));
        answer(block);
        put_each(work.answers, [&](std::size_t i, const Answer& answer) { put(at + i, answer); });
    }
}

/// Whether the scores of an answer are logits, of which each says a probability.
/// 答案的得分是否为 logit，即每个得分都表示一个概率。
bool has_probabilities(const Answer& answer);

/// The asker of a call of seqrec_recommend, or of a function whose arguments begin with its, answered into work.answers.
/// 处理一次 seqrec_recommend 调用（或参数以其参数开头的函数）：返回请求者，答案存入 work.answers。
SqlAsker answer_call(FunctionCallInfo fcinfo);

/// A NOTICE when popular items answer: a popular list instead of a personal one is never silent.
/// 以热门物品作答时给出 NOTICE：回退从不悄然发生。
void tell_fallback();

/// What an answer was computed from: "clicks", "history", "user" or "popular".
/// 答案的依据："clicks"、"history"、"user" 或 "popular"。
const char* source_of(const SqlAsker& asker, const Answer& answer);

}  // namespace seqrec
