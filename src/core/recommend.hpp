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
    Popular,  ///< neither is known: the most popular items
};
std::string_view source_name(Source source);  // "clicks", "user", "popular"

struct Request {
    std::string_view user;                     ///< an id; one that is not known is no error
    std::span<const std::string_view> clicks;  ///< ids, oldest first; unknown ones are skipped and reported
    std::int64_t k;                            ///< how many items are wanted, >= 1
};

struct Answer {
    std::vector<ScoredItem> items;  ///< best first; min(k, items not clicked) of them
    Source source;
    bool user_known;
    std::vector<std::uint32_t> unknown_clicks;  ///< positions in Request::clicks
};

/// Answers a request. Clicked items are not returned; an item clicked twice counts where it was clicked last.
/// Scores: cosine in [-1, 1]; for Source::Popular the item's share of all interactions, in [0, 1].
/// 回答一次请求。点击过的物品不会返回；重复点击以最后一次为准。得分为余弦；热门回退时为该物品在全部交互中的占比。
Answer recommend(const Snapshot& snapshot, const Request& request, const Poll& poll);

}  // namespace seqrec
