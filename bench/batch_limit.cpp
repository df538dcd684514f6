// What a batch can't be faster than, one thread, for a model's snapshot: encoding each user, and the dot products of all
// items with them as the scan's kernel does them in blocks of users, when nothing is found. Prints the thread's CPU time of a
// user, the mean of rounds and the least of one (which no mean of many users can be held against), and beside it that of the
// whole answer, in turns.
//
//     seqrec-batch-limit SNAPSHOT [SECONDS]
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/recommend.hpp"
#include "core/scan/search.hpp"

namespace seqrec {
namespace {

constexpr std::int32_t kUsers = 64;            // answered together
constexpr std::size_t kPartBytes = 16 * 1024;  // as a batch reads them

/// What this thread has computed for, however many others share the core.
double cpu_us() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

/// The time of a user in microseconds.
struct Spent {
    double least = 1e300, sum = 0;
    int rounds = 0;

    template <typename Work>
    void of(Work work) {
        const double start = cpu_us();
        work();
        const double spent = (cpu_us() - start) / kUsers;
        least = std::min(least, spent);
        sum += spent;
        ++rounds;
    }
    double mean() const { return sum / rounds; }
    nlohmann::json report() const { return {{"mean", mean()}, {"least", least}}; }
};

using Vectors = std::vector<std::vector<float>>;

Vectors encode(const Snapshot& snapshot, std::int32_t first) {
    Vectors vectors;
    for (std::int32_t user = first; user < first + kUsers; ++user)
        vectors.push_back(query_after(snapshot, {snapshot.seen(user), user}, false).vector);
    return vectors;
}

/// Bounds that nothing reaches: the products alone.
void multiply(const Snapshot& snapshot, const Vectors& vectors) {
    const Codes& codes = snapshot.codes();
    const ItemFilter all(snapshot.items().size());
    std::vector<Search> searches;
    searches.reserve(vectors.size());
    for (const auto& vector : vectors)
        searches.emplace_back(codes, vector, all, Wanted{10, std::numeric_limits<float>::infinity()});
    const std::size_t step = std::max<std::size_t>(1, kPartBytes / (kGroupRows * codes.depth));
    for (std::size_t at = 0; at < codes.groups(); at += step)
        Search::scan(searches, at, std::min(step, codes.groups() - at));
}

nlohmann::json measure(const Snapshot& snapshot, double seconds) {
    const Request request{10};
    const Poll poll;
    const Recommender recommender(snapshot, request, poll);
    Spent encoding, products, whole;
    const auto last = static_cast<std::int32_t>(snapshot.users().size()) - kUsers;
    std::int32_t first = 0;
    for (const auto begin = std::chrono::steady_clock::now();
         std::chrono::steady_clock::now() -
                 begin<std::chrono::duration<double>(seconds); first = first + kUsers> last
             ? 0
             : first + kUsers) {
        Vectors vectors;
        encoding.of([&] { vectors = encode(snapshot, first); });
        products.of([&] { multiply(snapshot, vectors); });
        whole.of([&] { (void)recommender.answer_users(first, kUsers); });
    }
    const double limit = encoding.mean() + products.mean();
    return {{"encoder_us", encoding.report()},
            {"products_us", products.report()},
            {"answered_us", whole.report()},
            {"limit_users_per_s", 1e6 / limit},
            {"answered_of_limit", limit / whole.mean()},
            {"kernel", std::string(code_kernels().front().name)}};
}

}  // namespace
}  // namespace seqrec

int main(int count, char** arguments) {
    if (count < 2) return 2;
    const seqrec::Snapshot snapshot = seqrec::Snapshot::open(arguments[1]);
    std::puts(seqrec::measure(snapshot, count > 2 ? std::atof(arguments[2]) : 5).dump(2).c_str());
}
