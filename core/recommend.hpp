// Recommendations from a snapshot: ids in, scored items out. Knows nothing of PostgreSQL.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/candidates.hpp"
#include "core/files/snapshot.hpp"
#include "core/scan/top_k.hpp"

namespace seqrec {

/// What an answer was computed from.
/// 答案的依据。
enum class Source : std::uint8_t {
    Clicks,   ///< clicks (and the user's vector, when the user is known, and the context)
    User,     ///< what is known of the user alone: the vector, the context
    Popular,  ///< neither is known, or the model has nothing to say of them: the most popular items
};
/// "clicks", "user" or "popular".
/// 名称："clicks"、"user" 或 "popular"。
std::string_view source_name(Source source);

using Ids = std::span<const std::string_view>;

/// Who asks, after which clicks.
/// 谁、在哪些点击之后。
struct Asker {
    std::string_view user;                    ///< an id, unknown is no error; a default string_view is nobody
    Ids clicks;                               ///< ids, oldest first; unknown ones are skipped and reported
    const nlohmann::json* context = nullptr;  ///< as EncoderInput has it; what is unknown is reported
    std::int64_t k = 0;                       ///< how many items; 0: as many as the request says
};

/// What is wanted, the same for all askers of a batch.
/// 想要什么；同一批请求共用。
struct Request {
    std::int64_t k;  ///< how many items, >= 1
    Ids exclude{};   ///< ids that must not be returned; unknown ones don't matter
    const Candidates* candidates =
        nullptr;  ///< unless null no other items are returned; must outlive what answers
    /// Whether items clicked, and those the user had when the model was trained, are left out; not given: as
    /// the model was trained, that is unless it keeps repeats.
    /// 是否排除点击过的与训练时已有的物品；未给出则与训练时一致（保留重复的模型不排除）。
    std::optional<bool> exclude_seen{};
    float min_score = -std::numeric_limits<float>::infinity();
    /// The least probability of an item, in [0, 1], for models of Link::Sigmoid. Popular items have none: from
    /// any above 0 on they are not answered.
    /// 物品的最低概率（[0, 1]），用于 Link::Sigmoid 的模型。热门物品没有概率：大于 0 时不予返回。
    float min_probability = 0;
    /// 0 to 1: how much the items shall differ from one another (diversity.hpp). Above 0 the k are chosen among what
    /// would be answered to candidates_of_diverse(k), and come in the order of choice, with scores of their own.
    /// 0 到 1：物品之间应有多大差异（见 diversity.hpp）。大于 0 时从 candidates_of_diverse(k) 个答案中选出 k 个，
    /// 按选择的先后排列，得分仍为各自的得分。
    float diversity = 0;
    bool exact = false;       ///< scan in float32, encode in float32, use no index
    std::int32_t probes = 0;  ///< lists of the index to read; 0: as many as the model was measured with
};

/// The answer to one asker.
/// 对一个请求者的回答。
struct Answer {
    /// Best first, or in the order of a diverse choice; k of them whenever so many are admitted and good enough.
    /// 最佳在前，或按多样性选择的先后；只要有足够多允许且够好的物品，就有 k 个。
    std::vector<ScoredItem> items;
    Source source;
    bool user_known;
    std::vector<std::uint32_t> unknown_clicks{};  ///< positions in Asker::clicks
    std::vector<std::string> unknown_context{};   ///< keys of Asker::context, see Encoder::unknown_context
};

/// What is added to the score of an item that was clicked.
/// 加到曾被点击的物品得分上的值。
struct Shift {
    std::int32_t item;
    float by;
};

/// What items are scored with for one asker: score(i) = vector . E(i) + offset, as the model's form says, and
/// for an item that was clicked its shift.
/// 为某个请求者计分所用的查询：score(i) = vector · E(i) + offset，形式由模型规定；曾被点击的物品另加其偏移。
struct Query {
    std::vector<float> vector;  ///< [dim]
    bool known;  ///< whether the model has anything to say of the asker; else popularity answers
    float offset = 0;
    std::vector<Shift> shifts{};  ///< sorted by item; none when it is not known
};

/// A query that somebody else keeps.
/// 由他人保存的查询。
struct QueryView {
    std::span<const float> vector;
    bool known;
    float offset;
    std::span<const Shift> shifts;

    QueryView(std::span<const float> vector, bool known, float offset, std::span<const Shift> shifts = {})
        : vector(vector), known(known), offset(offset), shifts(shifts) {}
    QueryView(const Query& query) : QueryView(query.vector, query.known, query.offset, query.shifts) {}
};

/// A user of the model, an index or -1, after clicks that count, oldest first: what is held out is asked for there.
/// 模型用户（下标或 -1）及其（计入的）点击，最早的在前；在此处询问留出的物品。
struct Place {
    std::int32_t user;
    std::span<const std::int32_t> clicks;
};

/// Answers askers of one request over one snapshot. Clicks count as clicks_that_count() says. Scores are what
/// the model's form says (a cosine is in [-1, 1]); for Source::Popular the item's share of all (recent)
/// interactions, in [0, 1]. A user of the model of whom it has nothing to say (never trained) and who comes
/// without clicks gets Source::Popular, with user_known true. k < 1 gives no items. Error (data corrupted)
/// when the snapshot turns out to be damaged.
/// 在一个快照上以同一请求回答多个请求者。点击按 clicks_that_count() 计入。
/// 得分形式由模型规定（余弦在 [-1, 1] 内）；热门回退时为该物品在全部（近期）交互中的占比。
/// 模型对其一无所知（从未训练）且没有点击的用户得到 Source::Popular，user_known 仍为 true。
/// 快照损坏时抛出 Error（数据损坏）。
class Recommender {
  public:
    /// Looks up the request's ids; snapshot, request and poll must outlive it.
    /// 查找请求中的 id；snapshot、request 与 poll 须长于本对象。
    Recommender(const Snapshot& snapshot, const Request& request, const Poll& poll);
    Recommender(const Recommender&) = delete;
    Recommender& operator=(const Recommender&) = delete;

    /// One answer for each asker. The item matrix is read once for a block of askers.
    /// 为每个请求者各给一个回答；一批请求者只读一遍物品矩阵。
    std::vector<Answer> answer(std::span<const Asker> askers) const;
    /// The same for users [first, first + count) of the model, whose clicks are what they had in training.
    /// 为模型中的用户 [first, first + count) 回答，其点击为训练数据中的记录。
    std::vector<Answer> answer_users(std::int32_t first, std::int32_t count) const;
    /// What comes next at each place. Of what the user had only the clicks are left out, not what the model knows
    /// the user to have had later.
    /// 各处接下来的物品；用户已有的物品中只排除给出的点击，不排除模型所知的、此后的交互。
    std::vector<Answer> answer_next(std::span<const Place> places) const;
    /// The items nearest to an item, by cosine, itself not among them; none when the id is unknown.
    /// 与某物品余弦最近的物品（不含其自身）；未知物品返回空。
    std::vector<ScoredItem> similar(std::string_view item) const;

  private:
    struct Prepared;
    ItemFilter filter_without(std::vector<std::int32_t> hidden) const;
    std::vector<std::int32_t> had(std::span<const std::int32_t> clicks, std::int32_t user) const;
    Prepared prepare(std::vector<std::int32_t> clicks, std::int32_t user, std::int64_t k,
                     const nlohmann::json* context = nullptr,
                     std::span<const std::int32_t> places = {}) const;
    Prepared prepare(const EncoderInput& counted, std::vector<std::int32_t> hidden, std::int64_t k) const;
    std::vector<Answer> answer_block(std::span<Prepared> askers) const;
    std::int64_t sought(std::int64_t k) const;
    void diversify(const Prepared& asker, Answer& answer) const;
    void add_shifted(const Prepared& asker, std::vector<ScoredItem>& items) const;
    std::vector<std::vector<ScoredItem>> nearest(std::span<const Prepared* const> askers) const;
    std::vector<ScoredItem> nearest_alone(const Prepared& asker) const;
    std::vector<ScoredItem> nearest_directions(const Prepared& asker) const;
    std::vector<ScoredItem> exact(const Prepared& asker) const;
    bool scores_candidates(std::size_t askers) const;
    bool uses_index() const;
    Wanted wanted(const Prepared& asker) const;

    const Snapshot& snapshot_;
    const Request& request_;
    const Poll& poll_;
    float least_score_;  // min_score and min_probability, whichever asks for more
    std::vector<std::int32_t> excluded_;
};

/// Answers one asker.
/// 回答一个请求者。
Answer recommend(const Snapshot& snapshot, const Asker& asker, const Request& request, const Poll& poll);

/// The items of the clicks that are known, oldest first, as the model was trained with them: each click where
/// it keeps repeats (an item right after itself once where it merges them), else of an item clicked twice the
/// last.
/// 已知点击的物品，最早的在前，与训练时一致：保留重复的模型计入每次点击（合并时紧接自身的只计一次），
/// 否则重复点击以最后一次为准。
std::vector<std::int32_t> clicks_that_count(const Snapshot& snapshot, Ids clicks, const Poll& poll);
std::vector<std::int32_t> clicks_that_count(const Snapshot& snapshot, std::vector<std::int32_t> items);
/// Where each of clicks_that_count() is among the clicks of an asker whose context speaks of clicks; empty for another one.
/// context 涉及点击时，clicks_that_count() 各项在请求者点击中的位置；否则为空。
std::vector<std::int32_t> places_that_count(const Snapshot& snapshot, const Asker& asker, const Poll& poll);
/// The index of a user, -1 for an unknown id and for nobody.
/// 用户下标；未知 id 或无用户时为 -1。
std::int32_t find_user(const Snapshot& snapshot, std::string_view user);

/// The query of an asker, whose clicks are those that count. Error (data corrupted) when the model gives one
/// that is not finite.
/// 请求者的查询，点击为计入的点击；非有限值时抛出 Error（数据损坏）。
Query query_after(const Snapshot& snapshot, const EncoderInput& input, bool exact);
/// The query of an asker.
/// 请求者的查询。
Query asker_query(const Snapshot& snapshot, const Asker& asker, bool exact, const Poll& poll);

/// What a recommendation would give an item as its score; for a query that is not known the item's share of
/// interactions.
/// 推荐时该物品会得到的分数；未知请求者则为该物品在交互中的占比。
float score_of(const Snapshot& snapshot, const QueryView& query, std::int32_t item);
/// The query's own score of an item, also when it is not known.
/// 查询本身对该物品的得分，未知时亦然。
float own_score(const Snapshot& snapshot, const QueryView& query, std::int32_t item);

/// An item's row, [dim], of unit length for Link::Cosine; `item` is an index of the snapshot.
/// 物品的行向量（Link::Cosine 时为单位长度）；item 为快照中的下标。
std::vector<float> item_vector(const Snapshot& snapshot, std::int32_t item);

}  // namespace seqrec
