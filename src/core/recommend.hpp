// One recommendation from a snapshot: ids in, scored items out. Knows nothing of PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/snapshot.hpp"
#include "core/top_k.hpp"

namespace seqrec {

/// What an answer was computed from. 答案的依据。
enum class Source : std::uint8_t {
    Clicks,   ///< clicks (and the user's vector, when the user is known)
    User,     ///< the user's vector alone
    Popular,  ///< neither is known, or the model has nothing to say of them: the most popular items
};
/// "clicks", "user" or "popular". 名称："clicks"、"user" 或 "popular"。
std::string_view source_name(Source source);

/// A question: who, after which clicks, how many. 一次请求：用户、点击序列、数量。
struct Request {
    std::string_view user;  ///< an id, unknown is no error; a default string_view is nobody
    std::span<const std::string_view> clicks;  ///< ids, oldest first; unknown ones are skipped and reported
    std::int64_t k;                            ///< how many items are wanted, >= 1
};

/// Its answer. 请求的回答。
struct Answer {
    std::vector<ScoredItem> items;  ///< best first; min(k, items not clicked) of them
    Source source;
    bool user_known;
    std::vector<std::uint32_t> unknown_clicks;  ///< positions in Request::clicks
};

/// Answers a request. Clicked items are not returned; an item clicked twice counts where it was clicked last.
/// Scores: cosine in [-1, 1]; for Source::Popular the item's share of all interactions, in [0, 1].
/// A user whose vector is zero (never trained) and who comes without clicks gets Source::Popular, with
/// user_known true. k < 1 gives no items. Error (data corrupted) when the snapshot turns out to be damaged.
/// 回答一次请求。点击过的物品不会返回；重复点击以最后一次为准。得分为余弦；热门回退时为该物品在全部交互中的占比。
/// 向量全零（从未训练）且没有点击的用户得到 Source::Popular，user_known 仍为 true。快照损坏时抛出
/// Error（数据损坏）。
Answer recommend(const Snapshot& snapshot, const Request& request, const Poll& poll);

}  // namespace seqrec
