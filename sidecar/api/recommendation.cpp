#include "api/recommendation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "api/database_problem.hpp"
#include "api/json_text.hpp"
#include "db/arrays.hpp"

namespace seqrec::sidecar {
namespace {

constexpr int kTells = 4;  // the column of the version, which every answer has
constexpr Statement kRecommend = {"seqrec_answers", R"sql(
SELECT item_ids, scores, source, unknown_items, version, problem, unknown_context, probabilities
FROM seqrec.answers($1::pg_catalog.text[], $2::int[], $3::pg_catalog.text[], 10, $5::pg_catalog.text,
                    $6::pg_catalog.text[], $7::boolean, $8::pg_catalog.text[], $9::real, $10::real, $11::real,
                    ks => $4::int[], history_ms => $12::int)
)sql",
                                  4, kTells};
// For askers of whom at least one has a context: a statement of its own, so that the others pay nothing for it.
constexpr Statement kRecommendContext = {"seqrec_answers_context", R"sql(
SELECT item_ids, scores, source, unknown_items, version, problem, unknown_context, probabilities
FROM seqrec.answers($1::pg_catalog.text[], $2::int[], $3::pg_catalog.text[], 10, $6::pg_catalog.text,
                    $7::pg_catalog.text[], $8::boolean, $9::pg_catalog.text[], $10::real, $11::real, $12::real,
                    $5::pg_catalog.text[]::pg_catalog.jsonb[], $4::int[], $13::int)
)sql",
                                         5, kTells};
// With the reasons for what each asker gets, in the same round trip. Whose own rows are read is asked for alone.
constexpr Statement kExplain = {"seqrec_answers_explained", R"sql(
SELECT a.item_ids, a.scores, a.source, a.unknown_items, a.version, a.problem, a.unknown_context, a.probabilities,
       e.because_of, e.contributions, e.sources, e.reasons
FROM seqrec.answers($1::pg_catalog.text[], $2::int[], $3::pg_catalog.text[], 10, $6::pg_catalog.text,
                    $7::pg_catalog.text[], $8::boolean, $9::pg_catalog.text[], $10::real, $11::real, $12::real,
                    $5::pg_catalog.text[]::pg_catalog.jsonb[], $4::int[])
         WITH ORDINALITY AS a (item_ids, scores, source, unknown_items, version, problem, unknown_context,
                               probabilities, asker),
     LATERAL (SELECT coalesce(pg_catalog.sum(clicks), 0)::int AS before
              FROM pg_catalog.unnest(($2::int[])[:(a.asker OPERATOR(pg_catalog.-) 1)::int]) AS c (clicks)) o,
     LATERAL (SELECT pg_catalog.array_agg(r.because_of ORDER BY r.place) AS because_of,
                     pg_catalog.array_agg(r.contribution ORDER BY r.place) AS contributions,
                     pg_catalog.array_agg(r.source ORDER BY r.place) AS sources,
                     pg_catalog.array_agg(r.reason ORDER BY r.place) AS reasons
              FROM (SELECT w.*, pg_catalog.row_number() OVER () AS place
                    FROM seqrec.http_explain(($1::pg_catalog.text[])[a.asker::int]::seqrec.id,
                                             ($3::pg_catalog.text[])[o.before OPERATOR(pg_catalog.+) 1 : o.before OPERATOR(pg_catalog.+)
                                                                     ($2::int[])[a.asker::int]]::seqrec.id[],
                                             a.item_ids::seqrec.id[], $6::pg_catalog.text,
                                             ($5::pg_catalog.text[])[a.asker::int]::pg_catalog.jsonb, $13::pg_catalog.text,
                                             pg_catalog.to_regclass($14::pg_catalog.text), $15::pg_catalog.name,
                                             $16::pg_catalog.name) w) r) e
ORDER BY a.asker
)sql",
                                5};

constexpr std::string_view kPopular = "popular";

enum Column {
    kItems,
    kScores,
    kSource,
    kUnknown,
    kVersion,
    kProblem,
    kUnknownContext,
    kProbabilities,
    kBecauseOf,
    kContributions,
    kSources,
    kReasons
};

// Reading a user's own rows takes as long as the table makes it. Those who want theirs are joined with one another alone,
// since this is a parameter, and read together for so many milliseconds in all: who is not read by then is asked for again.
constexpr char kHistoryTime[] = "50";

constexpr char kNoHistory[] = "history-unavailable";
constexpr std::string_view kGiveClicks = "Give recent_clicks ([] for none), or see docs/operations.md.";
// The database's words are passed on where they name tables and roles; an error within a view may quote a
// row.
constexpr Rule kHistoryRules[] = {{"42", 422, kNoHistory, "", kGiveClicks},
                                  {"", 422, kNoHistory, "the user's own rows can't be read", kGiveClicks}};

void add_askers(Query& query, std::span<const Asker> askers, int top_k) {
    std::vector<std::string> users, clicks;
    std::vector<std::optional<std::int32_t>> counts, ks;
    for (const Asker& asker : askers) {
        users.push_back(asker.user_id);
        ks.emplace_back(top_k);
        counts.emplace_back();
        if (!asker.recent_clicks) continue;
        counts.back() = static_cast<std::int32_t>(asker.recent_clicks->size());
        clicks.insert(clicks.end(), asker.recent_clicks->begin(), asker.recent_clicks->end());
    }
    query.parameters.push_back({encode_array(users), true});
    query.parameters.push_back({encode_array(counts), true});
    query.parameters.push_back({encode_array(clicks), true});
    query.parameters.push_back({encode_array(ks), true});
}

void add_contexts(Query& query, std::span<const Asker> askers) {
    std::vector<std::optional<std::string>> contexts;
    for (const Asker& asker : askers) contexts.push_back(asker.context);
    query.parameters.push_back({encode_array(contexts), true});
}

void add_wish(Query& query, const Wish& wish) {
    auto& parameters = query.parameters;
    parameters.push_back({wish.model});
    parameters.push_back(wish.exclude.empty() ? Parameter{} : array_parameter(wish.exclude));
    parameters.push_back(
        {wish.exclude_seen ? std::optional<std::string>(*wish.exclude_seen ? "t" : "f") : std::nullopt});
    parameters.push_back(array_parameter(wish.candidates));
    parameters.push_back(number_parameter(wish.min_score));
    parameters.push_back(number_parameter(wish.min_probability));
    parameters.push_back(number_parameter(wish.diversity));
}

/// In whose language, and from which titles, reasons are told.
void add_words(Query& query, const std::optional<std::string>& language, const TitleTable& titles) {
    const bool named = !titles.table.empty();
    query.parameters.push_back({language});
    query.parameters.push_back({named ? std::optional(titles.table) : std::nullopt});
    query.parameters.push_back({named ? std::optional(titles.id_column) : std::nullopt});
    query.parameters.push_back({named ? std::optional(titles.title_column) : std::nullopt});
}

void append_scores(std::string& json, std::string_view array) {
    append_json_array(json, decode_reals(array), [&](float score) { append_json(json, score); });
}

void append_ids(std::string& json, const std::vector<std::optional<std::string_view>>& ids) {
    append_json_array(json, ids, [&](const auto& id) { append_json(json, id.value_or("")); });
}

using Texts = std::vector<std::optional<std::string_view>>;

/// Every reason has a source and words, and what belongs to one stands at one place: what is not so is a fault, and no answer.
void expect_whole(const Texts& sources, const Texts& texts, std::size_t because_of,
                  std::size_t contributions) {
    const auto is_told = [](const auto& text) { return text.has_value(); };
    const std::size_t count = sources.size();
    if (texts.size() == count && because_of == count && contributions == count &&
        std::ranges::all_of(sources, is_told) && std::ranges::all_of(texts, is_told))
        return;
    throw Problem(500, "database-error", "the database told a reason without its source or its words");
}

void append_reasons(std::string& json, const Rows& rows) {
    const auto because_of = decode_texts(rows.text(0, kBecauseOf)),
               sources = decode_texts(rows.text(0, kSources)), texts = decode_texts(rows.text(0, kReasons));
    const auto contributions = decode_reals(rows.text(0, kContributions));
    expect_whole(sources, texts, because_of.size(), contributions.size());
    std::size_t i = 0;
    append_json_array(json, sources, [&](const auto& source) {
        json += R"({"because_of":)";
        if (because_of[i])
            append_json(json, *because_of[i]);
        else
            json += "null";
        json += R"(,"contribution":)";
        append_json(json, contributions[i]);
        json += R"(,"source":)";
        append_json(json, *source);
        json += R"(,"text":)";
        append_json(json, *texts[i]);
        json += '}';
        ++i;
    });
}

std::string member(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// A problem from the JSON that seqrec.answers tells it in.
Problem to_problem(std::string_view told, const std::string& request_id) {
    const auto object = nlohmann::json::parse(told, nullptr, false);
    DatabaseError error;
    error.sqlstate = member(object, "sqlstate");
    error.message = member(object, "message");
    error.hint = member(object, "hint");
    return to_problem(error, request_id, kHistoryRules);
}

/// The problems of a batch as JSON. Many users mostly have the same one, which is looked at and logged once.
class Problems {
  public:
    explicit Problems(const std::string& request_id) : request_id_(request_id) {}

    const std::string& json_of(std::string_view told) {
        auto& json = known_[told];
        if (json.empty()) json = to_json(to_problem(told, request_id_)).dump();
        return json;
    }

  private:
    const std::string& request_id_;
    std::map<std::string_view, std::string> known_;
};

/// The items, and what is news: clicks and parts of a context that the model does not know, a list that is not personal.
void append_answer(std::string& json, const Rows& rows, int row, bool with_scores) {
    json += R"("recommended_item_ids":)";
    append_ids(json, decode_texts(rows.text(row, kItems)));
    if (with_scores) {
        json += R"(,"scores":)";
        append_scores(json, rows.text(row, kScores));
        if (const auto array = rows.text(row, kProbabilities); !array.empty()) {
            json += R"(,"probabilities":)";
            append_scores(json, array);
        }
    }
    if (const auto unknown = decode_texts(rows.text(row, kUnknown)); !unknown.empty()) {
        json += R"(,"unknown_item_ids":)";
        append_ids(json, unknown);
    }
    if (const auto unknown = decode_texts(rows.text(row, kUnknownContext)); !unknown.empty()) {
        json += R"(,"unknown_context":)";
        append_ids(json, unknown);
    }
    if (rows.text(row, kSource) == kPopular) json += R"(,"fallback":"popular")";
}

void append_about(std::string& json, const Rows& rows, const About& about) {
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - about.begun;
    if (rows.size() > 0) {
        json += R"(,"model_version":)";
        append_json(json, rows.text(0, kVersion));
    }
    json += R"(,"request_id":)";
    append_json(json, about.request_id);
    json += R"(,"took_ms":)";
    append_json(json, static_cast<float>(std::round(took.count()) / 1000));
}

/// Each reason takes an encoding and a score for each click: who wants many would hold up everybody asked for beside them.
bool takes_few_reasons(const RecommendRequest& request) {
    constexpr std::size_t kFew = 1000;
    const auto& clicks = request.asker.recent_clicks;
    return clicks && clicks->size() * static_cast<std::size_t>(request.wish.top_k) <= kFew;
}

}  // namespace

Query recommend_query(const RecommendRequest& request, const TitleTable& titles) {
    const bool with_context = request.wish.explain || request.asker.context;
    Query query{request.wish.explain ? &kExplain : with_context ? &kRecommendContext : &kRecommend, {}};
    add_askers(query, std::span(&request.asker, 1), request.wish.top_k);
    if (with_context) add_contexts(query, std::span(&request.asker, 1));
    add_wish(query, request.wish);
    if (request.wish.explain)
        add_words(query, request.language, titles);
    else
        query.parameters.push_back(request.asker.recent_clicks ? Parameter{} : Parameter{kHistoryTime});
    query.joinable = !request.wish.explain || takes_few_reasons(request);
    return query;
}

Query batch_query(const BatchRequest& request) {
    const bool with_context =
        std::ranges::any_of(request.askers, [](const Asker& asker) { return asker.context.has_value(); });
    Query query{with_context ? &kRecommendContext : &kRecommend, {}};
    add_askers(query, request.askers, request.wish.top_k);
    if (with_context) add_contexts(query, request.askers);
    add_wish(query, request.wish);
    query.parameters.emplace_back();  // who asks for many waits for all
    return query;
}

void record_answers(Counters& counters, const Rows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
        counters.record_unknown_ids(decode_texts(rows.text(row, kUnknown)).size());
        if (rows.text(row, kSource) == kPopular) counters.record_fallback();
        if (!rows.text(row, kProblem).empty()) counters.record_history_unavailable();
    }
}

std::optional<Problem> history_problem(const Rows& rows, const std::string& request_id) {
    const auto told = rows.text(0, kProblem);
    if (told.empty()) return std::nullopt;
    return to_problem(told, request_id);
}

std::string recommend_json(const Rows& rows, const Wish& wish, const About& about) {
    std::string json = "{";
    const bool tells = wish.with_scores || wish.explain;
    append_answer(json, rows, 0, tells);
    if (wish.explain) {
        json += R"(,"reasons":)";
        append_reasons(json, rows);
    }
    if (tells) append_about(json, rows, about);
    return json + "}";
}

std::string batch_json(const Rows& rows, const Wish& wish, const About& about) {
    std::string json = R"({"results":[)";
    Problems problems(about.request_id);
    for (int row = 0; row < rows.size(); ++row) {
        json += row == 0 ? "{" : ",{";
        append_answer(json, rows, row, wish.with_scores);
        if (const auto told = rows.text(row, kProblem); !told.empty())
            json.append(R"(,"problem":)").append(problems.json_of(told));
        json += '}';
    }
    json += ']';
    if (wish.with_scores) append_about(json, rows, about);
    return json + "}";
}

}  // namespace seqrec::sidecar
