// How far apart the answers of a snapshot's model are at the two precisions; bench/encoder.py --snapshot runs it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "core/files/snapshot.hpp"
#include "core/kernels/encoder_kernels.hpp"
#include "core/recommend.hpp"

namespace seqrec {
namespace {

/// What all users together show.
struct Agreement {
    std::int64_t users = 0, equal_lists = 0, common_items = 0, items = 0;
    double cosines = 0, least_cosine = 1;

    nlohmann::json json() const {
        const auto share = [](auto part, auto whole) {
            return static_cast<double>(part) / static_cast<double>(whole);
        };
        return {{"users", users},
                {"mean_cosine", cosines / static_cast<double>(users)},
                {"least_cosine", least_cosine},
                {"equal_items", share(common_items, items)},
                {"equal_lists", share(equal_lists, users)}};
    }
};

double cosine_of(const std::vector<float>& a, const std::vector<float>& b) {
    const double product = std::inner_product(a.begin(), a.end(), b.begin(), 0.0),
                 squares = std::inner_product(a.begin(), a.end(), a.begin(), 0.0) *
                           std::inner_product(b.begin(), b.end(), b.begin(), 0.0);
    return product / std::sqrt(squares);
}

std::vector<std::int32_t> top_ten(const Snapshot& snapshot, Place place, bool exact) {
    Request request{.k = 10};
    request.exact = exact;
    const Poll none;
    const std::vector<Answer> answers = Recommender(snapshot, request, none).answer_next({&place, 1});
    std::vector<std::int32_t> items;
    for (const ScoredItem& item : answers.front().items) items.push_back(item.item);
    return items;
}

void add_user(const Snapshot& snapshot, std::int32_t user, Agreement& to) {
    const auto seen = snapshot.seen(user);
    const auto clicks = clicks_that_count(snapshot, {seen.begin(), seen.end()});
    const EncoderInput input{clicks, user};
    const double cosine =
        cosine_of(query_after(snapshot, input, false).vector, query_after(snapshot, input, true).vector);
    auto fast = top_ten(snapshot, {user, clicks}, false), exact = top_ten(snapshot, {user, clicks}, true);
    ++to.users;
    to.cosines += cosine;
    to.least_cosine = std::min(to.least_cosine, cosine);
    to.equal_lists += fast == exact;
    to.items += std::ssize(exact);
    for (const std::int32_t item : fast) to.common_items += std::ranges::count(exact, item);
}

}  // namespace
}  // namespace seqrec

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto snapshot = seqrec::Snapshot::open(argv[1]);
    seqrec::Agreement all;
    for (std::int32_t user = 0; user < snapshot.users().size(); ++user) add_user(snapshot, user, all);
    nlohmann::json result = all.json();
    result["fast"] = seqrec::fastest_encoder_kernels(false).name;
    result["exact"] = seqrec::fastest_encoder_kernels(true).name;
    std::puts(result.dump(2).c_str());
}
