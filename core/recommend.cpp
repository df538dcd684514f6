#include "core/recommend.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "core/ages.hpp"
#include "core/diversity.hpp"
#include "core/error.hpp"
#include "core/scan/search.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kBatch = 64;              // askers that are answered together
constexpr std::size_t kBatchBytes = 16 * 1024;  // codes that stay in the first-level cache meanwhile
constexpr std::size_t kScanBytes = 256 * 1024;  // codes scanned between two polls, for one asker
constexpr std::size_t kRowsOfBatch = 64;        // a row read for one asker, in rows of a scan for several

/// Looks ids up; of unknown ones the positions go to `unknown`.
std::vector<std::int32_t> known_items(const Snapshot& snapshot, Ids ids, const Poll& poll,
                                      std::vector<std::uint32_t>* unknown = nullptr) {
    std::vector<std::int32_t> known(ids.size());
    for (std::size_t at = 0; at < ids.size(); at += kPollEvery) {
        if (poll) poll();
        const std::size_t count = std::min<std::size_t>(kPollEvery, ids.size() - at);
        snapshot.items().find_all(ids.subspan(at, count), std::span(known).subspan(at, count));
    }
    if (unknown)
        for (std::size_t i = 0; i < known.size(); ++i)
            if (known[i] < 0) unknown->push_back(static_cast<std::uint32_t>(i));
    std::erase(known, -1);
    return known;
}

/// Of an item clicked twice the last click stays. Sorting twice needs no memory for each item there is.
std::vector<std::int32_t> last_of_each(std::span<const std::int32_t> clicks) {
    struct Click {
        std::int32_t item;
        std::size_t age;
    };
    std::vector<Click> placed;
    for (std::size_t i = 0; i < clicks.size(); ++i) placed.push_back({clicks[i], clicks.size() - i});
    std::sort(placed.begin(), placed.end(), [](const Click& a, const Click& b) {
        return a.item < b.item || (a.item == b.item && a.age < b.age);
    });
    const auto same = [](const Click& a, const Click& b) { return a.item == b.item; };
    placed.erase(std::unique(placed.begin(), placed.end(), same), placed.end());
    std::sort(placed.begin(), placed.end(), [](const Click& a, const Click& b) { return a.age > b.age; });
    std::vector<std::int32_t> items;
    for (const Click& click : placed) items.push_back(click.item);
    return items;
}

/// A query as the scan takes it, whose rows are no longer than 1.
std::vector<float> scan_vector(const Snapshot& snapshot, std::vector<float> vector) {
    if (snapshot.longest() != 1)
        for (float& x : vector) x *= snapshot.longest();
    return vector;
}

/// From a product to a score.
float finished(float product, float offset, float shift = 0) { return product + offset + shift; }

/// A part of a whole in [0, 1], whatever the two are.
float share(double part, double whole) {
    const double ratio = part / whole;
    return ratio >= 0 ? static_cast<float>(std::min(ratio, 1.0)) : 0;
}

std::vector<ScoredItem> popular(const Snapshot& snapshot, const ItemFilter& filter, const Request& request,
                                std::int64_t sought, const Poll& poll) {
    std::vector<ScoredItem> best = top_k(snapshot.item_popularity(), filter, {sought}, poll);
    for (ScoredItem& item : best) item.score = share(item.score, snapshot.popularity_total());
    std::erase_if(best, [&](const ScoredItem& item) {
        return request.min_probability > 0 || !(item.score >= request.min_score);
    });
    return best;
}

/// An item's direction to `out`, [dim]: of unit length, without its bias.
void write_direction(const Snapshot& snapshot, std::int32_t item, std::span<float> out) {
    const Rows& rows = snapshot.directions();
    const auto row = rows.matrix.subspan(static_cast<std::size_t>(item) * out.size(), out.size());
    const float unit = rows.unit[static_cast<std::size_t>(item)];
    std::ranges::transform(row, out.begin(), [unit](float x) { return x * unit; });
    if (snapshot.form().item_bias) out.back() = 0;
}

/// An item's direction as a query among directions.
std::vector<float> direction_of(const Snapshot& snapshot, std::int32_t item) {
    std::vector<float> vector(static_cast<std::size_t>(snapshot.dim()));
    write_direction(snapshot, item, vector);
    return vector;
}

std::vector<float> directions_of(const Snapshot& snapshot, std::span<const ScoredItem> items) {
    const auto dim = static_cast<std::size_t>(snapshot.dim());
    std::vector<float> directions(items.size() * dim);
    for (std::size_t i = 0; i < items.size(); ++i)
        write_direction(snapshot, items[i].item, std::span(directions).subspan(i * dim, dim));
    return directions;
}

/// The items that a user had said no to at the training (the option `exclude_events`), whatever else is asked for.
std::vector<std::int32_t> refused_items(const Snapshot& snapshot, std::int32_t user) {
    const SafetensorsFile& file = snapshot.file();
    if (user < 0 || (!file.contains("excluded.items") && !file.contains("excluded.offsets"))) return {};
    const auto ends = file.get<std::int64_t>("excluded.offsets", {snapshot.users().size() + 1});
    const auto all = file.get<std::int32_t>("excluded.items", {-1});
    const auto at = static_cast<std::size_t>(user);
    const bool fits = ends[at] >= 0 && ends[at] <= ends[at + 1] && ends[at + 1] <= std::ssize(all) &&
                      ends.back() == std::ssize(all);
    const auto items = all.subspan(fits ? static_cast<std::size_t>(ends[at]) : 0,
                                   fits ? static_cast<std::size_t>(ends[at + 1] - ends[at]) : 0);
    const auto is_item = [&](std::int32_t item) { return item >= 0 && item < snapshot.items().size(); };
    if (!fits || !std::ranges::all_of(items, is_item))
        throw Error(sqlstate::kDataCorrupted, "the excluded items of a user are damaged",
                    "Train the model again.");
    return {items.begin(), items.end()};
}

/// An item's score by a query as the scan takes it.
float scanned_score(const Snapshot& snapshot, const QueryView& query, std::int32_t item) {
    float product = 0;
    snapshot.rows().score(std::span(&item, 1), query.vector, std::span(&product, 1));
    const auto shift = std::ranges::lower_bound(query.shifts, item, {}, &Shift::item);
    const bool shifted = shift != query.shifts.end() && shift->item == item;
    return finished(product, query.offset, shifted ? shift->by : 0);
}

/// What the clicks' own items gain or lose; clicks are oldest first.
std::vector<Shift> shifts_of(const Snapshot& snapshot, std::span<const std::int32_t> clicks) {
    std::vector<Shift> shifts;
    if (snapshot.repeat_shifts().empty()) return shifts;
    for (const AgedItem& click : ages_of(clicks))
        shifts.push_back({click.item, snapshot.repeat_shifts()[static_cast<std::size_t>(click.age)]});
    return shifts;
}

/// Scans everything, `bytes` of codes at a time and all searches over each part.
void scan_all(const Codes& codes, std::span<Search> searches, std::size_t bytes, const Poll& poll) {
    const std::size_t step = std::max<std::size_t>(1, bytes / (kGroupRows * codes.depth));
    for (std::size_t at = 0; at < codes.groups(); at += step) {
        if (poll) poll();
        Search::scan(searches, at, std::min(step, codes.groups() - at));
    }
}

}  // namespace

std::int32_t find_user(const Snapshot& snapshot, std::string_view user) {
    return user.data() ? snapshot.users().find(user) : -1;
}

Query query_after(const Snapshot& snapshot, const EncoderInput& input, bool exact) {
    Query query{std::vector<float>(static_cast<std::size_t>(snapshot.dim())), false};
    const Encoded encoded =
        snapshot.encoder().encode(input, query.vector, exact ? Precision::Exact : Precision::Fast);
    query.known = encoded.known;
    query.offset = encoded.offset;
    if (!std::isfinite(query.offset) ||
        !std::all_of(query.vector.begin(), query.vector.end(), [](float x) { return std::isfinite(x); }))
        throw Error(sqlstate::kDataCorrupted, "the model gives a vector that is not finite");
    if (query.known) query.shifts = shifts_of(snapshot, input.clicks);
    return query;
}

std::vector<std::int32_t> clicks_that_count(const Snapshot& snapshot, std::vector<std::int32_t> items) {
    if (!snapshot.keeps_repeats()) return last_of_each(items);
    if (snapshot.merges_repeats()) items.erase(std::unique(items.begin(), items.end()), items.end());
    return items;
}

std::vector<std::int32_t> clicks_that_count(const Snapshot& snapshot, Ids clicks, const Poll& poll) {
    return clicks_that_count(snapshot, known_items(snapshot, clicks, poll));
}

std::vector<std::int32_t> places_that_count(const Snapshot& snapshot, const Asker& asker, const Poll& poll) {
    std::vector<std::int32_t> places;
    if (!asker.context || !asker.context->contains("clicks")) return places;
    const nlohmann::json& said = asker.context->at("clicks");
    if (said.is_array() && !said.empty() && said.size() != asker.clicks.size())
        throw Error(sqlstate::kInvalidParameter,
                    "the context describes " + std::to_string(said.size()) + " clicks, and the call has " +
                        std::to_string(asker.clicks.size()),
                    "Give \"clicks\" an object, or null, for each click of the call; clicks that are NULL do "
                    "not count.");
    std::vector<std::uint32_t> unknown;
    const std::vector<std::int32_t> items = known_items(snapshot, asker.clicks, poll, &unknown);
    for (std::size_t at = 0, next = 0; at < asker.clicks.size(); ++at)
        if (next < unknown.size() && unknown[next] == at)
            ++next;
        else
            places.push_back(static_cast<std::int32_t>(at));
    const auto item_at = [&](std::size_t known) { return items[known]; };
    std::vector<std::size_t> counted(items.size());
    std::iota(counted.begin(), counted.end(), std::size_t{0});
    const auto same = [&](std::size_t a, std::size_t b) { return items[a] == items[b]; };
    if (!snapshot.keeps_repeats()) {  // the last of each
        std::ranges::sort(counted, std::greater<>());
        std::ranges::stable_sort(counted, {}, item_at);
        counted.erase(std::unique(counted.begin(), counted.end(), same), counted.end());
        std::ranges::sort(counted);
    } else if (snapshot.merges_repeats()) {
        counted.erase(std::unique(counted.begin(), counted.end(), same), counted.end());
    }
    std::vector<std::int32_t> result;
    for (const std::size_t known : counted) result.push_back(places[known]);
    return result;
}

/// An asker's query and filter, and what is known of the answer before any item is scored.
struct Recommender::Prepared {
    Answer answer;
    Query query;  // as the scan takes it
    ItemFilter filter;
    std::vector<std::int32_t>
        shifted;  // items that the filter hides from the scan: their scores are their own
    std::int64_t k;
    std::int64_t sought;  // items: k, or the candidates of a diverse choice
};

Recommender::Recommender(const Snapshot& snapshot, const Request& request, const Poll& poll)
    : snapshot_(snapshot),
      request_(request),
      poll_(poll),
      least_score_(std::max(request.min_score, least_score_of(request.min_probability))),
      excluded_(known_items(snapshot, request.exclude, poll)) {}

std::int64_t Recommender::sought(std::int64_t k) const {
    return request_.diversity > 0 ? candidates_of_diverse(k, snapshot_.items().size()) : k;
}

ItemFilter Recommender::filter_without(std::vector<std::int32_t> hidden) const {
    hidden.insert(hidden.end(), excluded_.begin(), excluded_.end());
    ItemFilter filter(snapshot_.items().size());
    filter.exclude(hidden);
    if (request_.candidates) filter.allow_only(request_.candidates->set());
    return filter;
}

/// What an asker has had already.
std::vector<std::int32_t> Recommender::had(std::span<const std::int32_t> clicks, std::int32_t user) const {
    std::vector<std::int32_t> items = refused_items(snapshot_, user);
    if (!request_.exclude_seen.value_or(!snapshot_.keeps_repeats())) return items;
    items.insert(items.end(), clicks.begin(), clicks.end());
    if (user < 0) return items;
    const auto seen = snapshot_.seen(user);
    items.insert(items.end(), seen.begin(), seen.end());
    return items;
}

Recommender::Prepared Recommender::prepare(std::vector<std::int32_t> clicks, std::int32_t user,
                                           std::int64_t k, const nlohmann::json* context,
                                           std::span<const std::int32_t> places) const {
    clicks = clicks_that_count(snapshot_, std::move(clicks));
    const std::vector<std::int32_t> hidden = had(clicks, user);
    return prepare({clicks, user, context, places}, hidden, k);
}

Recommender::Prepared Recommender::prepare(const EncoderInput& counted, std::vector<std::int32_t> hidden,
                                           std::int64_t k) const {
    Prepared prepared{
        {}, query_after(snapshot_, counted, request_.exact), filter_without(hidden), {}, k, sought(k)};
    for (const Shift& shift : prepared.query.shifts)
        if (prepared.filter.admits(shift.item)) prepared.shifted.push_back(shift.item);
    if (!prepared.shifted.empty()) {
        hidden.insert(hidden.end(), prepared.shifted.begin(), prepared.shifted.end());
        prepared.filter = filter_without(std::move(hidden));
    }
    prepared.query.vector = scan_vector(snapshot_, std::move(prepared.query.vector));
    prepared.answer.user_known = counted.user >= 0;
    prepared.answer.source = !prepared.query.known    ? Source::Popular
                             : counted.clicks.empty() ? Source::User
                                                      : Source::Clicks;
    return prepared;
}

std::vector<Answer> Recommender::answer(std::span<const Asker> askers) const {
    std::vector<Answer> answers;
    for (std::size_t at = 0; at < askers.size(); at += kBatch) {
        std::vector<Prepared> block;
        for (const Asker& asker : askers.subspan(at, std::min(kBatch, askers.size() - at))) {
            std::vector<std::uint32_t> unknown;
            const std::vector<std::int32_t> places = places_that_count(snapshot_, asker, poll_);
            block.push_back(prepare(known_items(snapshot_, asker.clicks, poll_, &unknown),
                                    find_user(snapshot_, asker.user), asker.k > 0 ? asker.k : request_.k,
                                    asker.context, places));
            block.back().answer.unknown_clicks = std::move(unknown);
            if (asker.context)
                block.back().answer.unknown_context = snapshot_.encoder().unknown_context(*asker.context);
        }
        for (Answer& answer : answer_block(block)) answers.push_back(std::move(answer));
    }
    return answers;
}

std::vector<Answer> Recommender::answer_users(std::int32_t first, std::int32_t count) const {
    std::vector<Prepared> block;
    for (std::int32_t user = first; user < first + count; ++user) {
        if (poll_) poll_();
        const auto seen = snapshot_.seen(user);
        for (const std::int32_t item : seen)
            if (item < 0 || item >= snapshot_.items().size())
                throw Error(sqlstate::kDataCorrupted, "a user has seen an item that is not there");
        block.push_back(prepare({seen.begin(), seen.end()}, user, request_.k));
    }
    return answer_block(block);
}

std::vector<Answer> Recommender::answer_next(std::span<const Place> places) const {
    std::vector<Answer> answers;
    for (std::size_t at = 0; at < places.size(); at += kBatch) {
        if (poll_) poll_();
        std::vector<Prepared> block;
        for (const Place& place : places.subspan(at, std::min(kBatch, places.size() - at)))
            block.push_back(prepare({place.clicks, place.user}, had(place.clicks, -1), request_.k));
        std::ranges::move(answer_block(block), std::back_inserter(answers));
    }
    return answers;
}

std::vector<ScoredItem> Recommender::similar(std::string_view item) const {
    const std::int32_t at = snapshot_.items().find(item);
    if (at < 0) return {};
    Prepared prepared{
        {}, {direction_of(snapshot_, at), true}, filter_without({at}), {}, request_.k, sought(request_.k)};
    if (snapshot_.form().link != Link::Cosine) return nearest_directions(prepared);
    const Prepared* asker = &prepared;
    return std::move(nearest(std::span(&asker, 1)).front());
}

std::vector<Answer> Recommender::answer_block(std::span<Prepared> askers) const {
    std::vector<const Prepared*> personal;
    for (const Prepared& asker : askers)
        if (asker.answer.source != Source::Popular) personal.push_back(&asker);
    auto found = nearest(personal);
    std::size_t next = 0;
    std::vector<Answer> answers;
    for (Prepared& asker : askers) {
        Answer& answer = answers.emplace_back(std::move(asker.answer));
        answer.items = answer.source == Source::Popular
                           ? popular(snapshot_, asker.filter, request_, asker.sought, poll_)
                           : std::move(found[next++]);
        if (request_.diversity > 0) diversify(asker, answer);
    }
    return answers;
}

/// Of candidates the k of a diverse choice. How much more popular one is than another says little of who asks: there
/// the order counts.
void Recommender::diversify(const Prepared& asker, Answer& answer) const {
    const std::vector<float> directions = directions_of(snapshot_, answer.items);
    const std::vector<float> relevance = answer.source == Source::Popular
                                             ? relevance_by_place(answer.items.size())
                                             : relevance_by_score(answer.items);
    const auto k = static_cast<std::size_t>(std::max<std::int64_t>(asker.k, 0));
    std::vector<ScoredItem> chosen;
    for (const std::size_t at : choose_diverse({relevance, directions}, k, request_.diversity, poll_))
        chosen.push_back(answer.items[at]);
    answer.items = std::move(chosen);
}

/// Puts the shifted items among the others.
void Recommender::add_shifted(const Prepared& asker, std::vector<ScoredItem>& items) const {
    for (const std::int32_t item : asker.shifted)
        if (const float score = scanned_score(snapshot_, asker.query, item); score >= least_score_)
            items.push_back({item, score});
    std::sort(items.begin(), items.end(), better);
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(asker.sought, 0));
    if (items.size() > most) items.resize(most);
}

std::vector<std::vector<ScoredItem>> Recommender::nearest(std::span<const Prepared* const> askers) const {
    std::vector<std::vector<ScoredItem>> results;
    if (scores_candidates(askers.size())) {
        for (const Prepared* asker : askers)
            results.push_back(top_k_of(request_.candidates->items(), snapshot_.rows(), asker->query.vector,
                                       asker->filter, wanted(*asker), poll_));
    } else if (request_.exact || uses_index()) {
        for (const Prepared* asker : askers) results.push_back(nearest_alone(*asker));
    } else {
        std::vector<Search> searches;
        searches.reserve(askers.size());
        for (const Prepared* asker : askers)
            searches.emplace_back(snapshot_.codes(), asker->query.vector, asker->filter, wanted(*asker));
        scan_all(snapshot_.codes(), searches, askers.size() > 1 ? kBatchBytes : kScanBytes, poll_);
        for (std::size_t i = 0; i < askers.size(); ++i)
            results.push_back(searches[i].undecided() ? exact(*askers[i])
                                                      : std::move(searches[i]).best(snapshot_.rows(), poll_));
    }
    for (std::size_t i = 0; i < askers.size(); ++i) {
        for (ScoredItem& item : results[i]) item.score = finished(item.score, askers[i]->query.offset);
        std::erase_if(results[i], [&](const ScoredItem& item) { return item.score < least_score_; });
    }
    for (std::size_t i = 0; i < askers.size(); ++i)
        if (!askers[i]->shifted.empty()) add_shifted(*askers[i], results[i]);
    return results;
}

std::vector<ScoredItem> Recommender::nearest_alone(const Prepared& asker) const {
    if (request_.exact) return exact(asker);
    Search search(snapshot_.codes(), asker.query.vector, asker.filter, wanted(asker));
    const Lists& lists = snapshot_.lists();
    const auto rows = asker.sought + static_cast<std::int64_t>(asker.filter.excluded());
    for (const std::int32_t list : lists.nearest(asker.query.vector, request_.probes, asker.sought, rows)) {
        if (poll_) poll_();
        const auto [first, count] = lists.groups(list);
        Search::scan(std::span(&search, 1), first, count);
    }
    return search.undecided() ? exact(asker) : std::move(search).best(snapshot_.rows(), poll_);
}

/// By direction, where scores go by length, too: rows that the codes do not have.
std::vector<ScoredItem> Recommender::nearest_directions(const Prepared& asker) const {
    const Rows& rows = snapshot_.directions();
    auto found = scores_candidates(1) ? top_k_of(request_.candidates->items(), rows, asker.query.vector,
                                                 asker.filter, wanted(asker), poll_)
                                      : top_k(rows, asker.query.vector, asker.filter, wanted(asker), poll_);
    return found;
}

std::vector<ScoredItem> Recommender::exact(const Prepared& asker) const {
    return top_k(snapshot_.rows(), asker.query.vector, asker.filter, wanted(asker), poll_);
}

/// Before the offset is added: what rounding may let through is left out after it.
Wanted Recommender::wanted(const Prepared& asker) const {
    const float offset = asker.query.offset;
    if (offset == 0) return {asker.sought, least_score_};
    const float slack = std::numeric_limits<float>::epsilon() * (std::abs(least_score_) + std::abs(offset));
    return {asker.sought, least_score_ - offset - slack};
}

/// Whether few enough items are allowed to score them one by one. Several askers share a scan, but no row.
bool Recommender::scores_candidates(std::size_t askers) const {
    if (!request_.candidates || !request_.candidates->few()) return false;
    return askers == 1 || request_.candidates->size() * kRowsOfBatch < snapshot_.rows().unit.size();
}

/// A list of candidates is never answered by a part of the items.
bool Recommender::uses_index() const { return snapshot_.lists().size() > 1 && !request_.candidates; }

std::string_view source_name(Source source) {
    switch (source) {
        case Source::Clicks:
            return "clicks";
        case Source::User:
            return "user";
        case Source::Popular:
            return "popular";
    }
    return "";
}

Answer recommend(const Snapshot& snapshot, const Asker& asker, const Request& request, const Poll& poll) {
    return std::move(Recommender(snapshot, request, poll).answer(std::span(&asker, 1)).front());
}

Query asker_query(const Snapshot& snapshot, const Asker& asker, bool exact, const Poll& poll) {
    const auto clicks = clicks_that_count(snapshot, asker.clicks, poll);
    const auto places = places_that_count(snapshot, asker, poll);
    return query_after(snapshot, {clicks, find_user(snapshot, asker.user), asker.context, places}, exact);
}

float own_score(const Snapshot& snapshot, const QueryView& query, std::int32_t item) {
    if (snapshot.longest() == 1) return scanned_score(snapshot, query, item);
    const auto scaled = scan_vector(snapshot, {query.vector.begin(), query.vector.end()});
    return scanned_score(snapshot, {scaled, query.known, query.offset, query.shifts}, item);
}

float score_of(const Snapshot& snapshot, const QueryView& query, std::int32_t item) {
    if (query.known) return own_score(snapshot, query, item);
    return share(snapshot.item_popularity()[static_cast<std::size_t>(item)], snapshot.popularity_total());
}

std::vector<float> item_vector(const Snapshot& snapshot, std::int32_t item) {
    const auto dim = static_cast<std::size_t>(snapshot.dim());
    const auto row = snapshot.rows().matrix.subspan(static_cast<std::size_t>(item) * dim, dim);
    std::vector<float> vector(row.begin(), row.end());
    if (snapshot.form().link == Link::Cosine)
        for (float& x : vector) x *= snapshot.rows().unit[static_cast<std::size_t>(item)];
    return vector;
}

}  // namespace seqrec
