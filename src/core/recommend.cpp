#include "core/recommend.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace seqrec {
namespace {

/// Looks up the clicks, newest first, so that of an item clicked twice the last click is met first; every
/// known item ends up in `clicked`, the sequence in the order of the clicks.
std::vector<std::int32_t> known_clicks(const Snapshot& snapshot, std::span<const std::string_view> clicks,
                                       ItemSet& clicked, std::vector<std::uint32_t>& unknown,
                                       const Poll& poll) {
    std::vector<std::int32_t> known;
    for (std::size_t left = clicks.size(); left > 0; --left) {
        if (poll && left % kPollEvery == 0) poll();
        const std::int32_t item = snapshot.items().find(clicks[left - 1]);
        if (item < 0) {
            unknown.push_back(static_cast<std::uint32_t>(left - 1));
        } else if (!clicked.contains(item)) {
            clicked.add(item);
            known.push_back(item);
        }
    }
    std::reverse(known.begin(), known.end());
    std::reverse(unknown.begin(), unknown.end());
    return known;
}

std::vector<float> user_vector(const Encoder& encoder, std::span<const std::int32_t> clicks,
                               std::int32_t user) {
    std::vector<float> vector(static_cast<std::size_t>(encoder.dim()));
    encoder.encode(clicks, user, vector);
    if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }))
        throw Error(sqlstate::kDataCorrupted, "the model gives a vector that is not finite");
    return vector;
}

/// A part of a whole in [0, 1], whatever the two are.
float share(double part, double whole) {
    const double ratio = part / whole;
    return ratio >= 0 ? static_cast<float>(std::min(ratio, 1.0)) : 0;
}

std::vector<ScoredItem> popular(std::span<const float> popularity, const ItemSet& excluded, std::int64_t k,
                                const Poll& poll) {
    std::vector<ScoredItem> best = top_k(popularity, excluded, k, poll);
    const double total = std::accumulate(popularity.begin(), popularity.end(), 0.0);
    for (ScoredItem& item : best) item.score = share(item.score, total);
    return best;
}

std::vector<ScoredItem> nearest(const Snapshot& snapshot, std::span<const float> vector,
                                const ItemSet& excluded, std::int64_t k, const Poll& poll) {
    std::vector<ScoredItem> best =
        top_k(snapshot.item_embedding(), snapshot.item_scale(), vector, excluded, k, poll);
    for (ScoredItem& item : best) item.score = std::clamp(item.score, -1.0f, 1.0f);  // rounding
    return best;
}

}  // namespace

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

Answer recommend(const Snapshot& snapshot, const Request& request, const Poll& poll) {
    Answer answer{};
    ItemSet clicked(snapshot.items().size());
    const std::vector<std::int32_t> clicks =
        known_clicks(snapshot, request.clicks, clicked, answer.unknown_clicks, poll);
    const std::int32_t user = request.user.data() ? snapshot.users().find(request.user) : -1;
    answer.user_known = user >= 0;
    const std::vector<float> vector = user_vector(snapshot.encoder(), clicks, user);
    if (std::all_of(vector.begin(), vector.end(), [](float x) { return x == 0; })) {
        answer.source = Source::Popular;
        answer.items = popular(snapshot.item_popularity(), clicked, request.k, poll);
    } else {
        answer.source = clicks.empty() ? Source::User : Source::Clicks;
        answer.items = nearest(snapshot, vector, clicked, request.k, poll);
    }
    return answer;
}

}  // namespace seqrec
