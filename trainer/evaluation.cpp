#include "evaluation.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Histories = std::vector<std::span<const std::int32_t>>;

constexpr std::int64_t kTokens = 4096;     // encoded at a time
constexpr std::int64_t kScores = 1 << 22;  // users x items scored at a time
constexpr std::int64_t kTop = 10;

const kernels::Table& k() { return kernels::table(); }

std::span<const std::int32_t> history_of(const Dataset& data, std::int32_t user, HeldOut which) {
    const auto all = data.sequence(user);
    return all.first(all.size() - (which == HeldOut::Test ? 1 : 2));
}

/// Encodes users [begin, end) of the lists into their rows of `result`.
void encode_part(const Snapshot& snapshot, const Histories& histories, const std::vector<std::int32_t>& ids,
                 std::size_t begin, std::size_t end, const Tensor& result) {
    const std::int64_t dim = result.size(1);
    const auto max_len = static_cast<std::size_t>(snapshot.model.position.size(0));
    auto batch = std::make_shared<Packed>();
    for (std::size_t i = begin; i < end; ++i)
        batch->append(histories[i].last(std::min(histories[i].size(), max_len)), ids[i]);
    const Tensor hidden = batch->tokens() > 0 ? snapshot.model.forward(batch, {}) : Tensor();
    for (std::size_t i = begin; i < end; ++i) {
        float* row = result.data_ptr<float>() + static_cast<std::int64_t>(i) * dim;
        const std::int64_t last = batch->offsets[i - begin + 1];
        std::fill_n(row, dim, 0.0f);
        if (last > batch->offsets[i - begin])
            std::copy_n(hidden.data_ptr<float>() + (last - 1) * dim, dim, row);
        if (ids[i] >= 0) k().axpy(snapshot.users.data_ptr<float>() + ids[i] * dim, row, dim, 1);
        const float length = std::sqrt(k().dot(row, row, dim));
        for (std::int64_t d = 0; d < dim && length > 0; ++d) row[d] /= length;
    }
}

/// The next end so that [begin, end) holds about kTokens tokens.
std::size_t encode_end(const Histories& histories, std::size_t begin) {
    std::int64_t tokens = 0;
    std::size_t end = begin;
    while (end < histories.size() && tokens < kTokens)
        tokens += static_cast<std::int64_t>(std::min<std::size_t>(histories[end++].size(), 1024));
    return end;
}

/// Marks the ten best items of one user's scores.
void mark_best(const float* scores, std::int64_t items, std::vector<std::atomic<bool>>& shown) {
    std::pair<float, std::int64_t> best[kTop];  // descending
    std::int64_t found = 0;
    for (std::int64_t i = 0; i < items; ++i) {
        if (scores[i] < -2 || (found == kTop && scores[i] <= best[kTop - 1].first)) continue;
        std::int64_t at = found < kTop ? found++ : kTop - 1;
        for (; at > 0 && best[at - 1].first < scores[i]; --at) best[at] = best[at - 1];
        best[at] = {scores[i], i};
    }
    for (std::int64_t i = 0; i < found; ++i) shown[static_cast<std::size_t>(best[i].second)] = true;
}

}  // namespace

Tensor encode(const Snapshot& snapshot, const Histories& histories, const std::vector<std::int32_t>& ids) {
    const at::NoGradGuard no_gradients;
    Tensor result = at::empty({static_cast<std::int64_t>(histories.size()), snapshot.model.item.size(1)});
    for (std::size_t begin = 0; begin < histories.size();) {
        const std::size_t end = encode_end(histories, begin);
        encode_part(snapshot, histories, ids, begin, end, result);
        begin = end;
    }
    return result;
}

Ranking rank_held_out(const Dataset& data, const std::vector<std::int32_t>& users, HeldOut which,
                      const Snapshot& snapshot, Workers& workers, const std::function<void(double)>& poll) {
    const std::int64_t items = data.items(), dim = snapshot.model.item.size(1);
    const auto count = static_cast<std::int64_t>(users.size());
    const Tensor matrix = [&] {
        const at::NoGradGuard no_gradients;
        return unit_rows(snapshot.model.item);
    }();
    const std::int64_t most = std::clamp<std::int64_t>(kScores / items, 8, 96);  // users at a time
    Ranking ranking;
    ranking.ranks.resize(users.size());
    std::vector<std::atomic<bool>> shown(static_cast<std::size_t>(which == HeldOut::Test ? items : 0));
    std::atomic<std::int64_t> next = 0;
    workers.run([&](int) {
        std::vector<float> scores(static_cast<std::size_t>(most * items));
        for (std::int64_t begin; (begin = next.fetch_add(most)) < count;) {
            const std::int64_t rows = std::min(most, count - begin);
            const std::vector<std::int32_t> part(users.begin() + begin, users.begin() + begin + rows);
            Histories histories;
            for (const std::int32_t user : part) histories.push_back(history_of(data, user, which));
            const Tensor vectors = encode(snapshot, histories, part);
            k().gemm({rows, items, dim, vectors.data_ptr<float>(), dim, 1, matrix.data_ptr<float>(), 1, dim,
                      scores.data(), items});
            for (std::int64_t r = 0; r < rows; ++r) {
                float* row = scores.data() + r * items;
                for (const std::int32_t seen : histories[r]) row[seen] = -3;
                const std::int32_t target = data.sequence(part[r])[histories[r].size()];
                ranking.ranks[begin + r] = k().count_at_least(row, items, row[target]) - 1;
                if (which == HeldOut::Test) mark_best(row, items, shown);
            }
            poll(static_cast<double>(begin + rows) / static_cast<double>(count));
        }
    });
    ranking.coverage =
        static_cast<double>(std::count(shown.begin(), shown.end(), true)) / static_cast<double>(items);
    return ranking;
}

}  // namespace seqrec::trainer
