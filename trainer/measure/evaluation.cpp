#include "measure/evaluation.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "measure/ten_best.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Histories = std::vector<std::span<const std::int32_t>>;

constexpr std::int64_t kTokens = 4096;  // encoded at a time
constexpr std::int64_t kUsers = 96;     // scored at a time

const kernels::Table& k() { return kernels::table(); }

/// Encodes users [begin, end) of the lists into their rows of `result`, a member's slice of columns from
/// `first` on; slices have the length 1 / sqrt(number of members).
void encode_part(const Snapshot& snapshot, const Histories& histories, const std::vector<std::int32_t>& ids,
                 std::size_t begin, std::size_t end, const Tensor& result, std::int64_t first) {
    const std::int64_t wide = result.size(1), dim = snapshot.model.item.size(1);
    const float share = std::sqrt(static_cast<float>(wide / dim));
    const auto max_len = static_cast<std::size_t>(snapshot.model.position.size(0));
    auto batch = std::make_shared<Packed>();
    for (std::size_t i = begin; i < end; ++i)
        batch->append(histories[i].last(std::min(histories[i].size(), max_len)), ids[i]);
    const Tensor hidden = batch->tokens() > 0 ? snapshot.model.forward(batch, {}) : Tensor();
    for (std::size_t i = begin; i < end; ++i) {
        float* row = result.data_ptr<float>() + static_cast<std::int64_t>(i) * wide + first;
        const std::int64_t last = batch->offsets[i - begin + 1];
        std::fill_n(row, dim, 0.0f);
        if (last > batch->offsets[i - begin])
            std::copy_n(hidden.data_ptr<float>() + (last - 1) * dim, dim, row);
        if (ids[i] >= 0) k().axpy(snapshot.users.data_ptr<float>() + ids[i] * dim, row, dim, 1);
        const float length = share * std::sqrt(k().dot(row, row, dim));
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

/// The held-out items of a few users, ranked chunk of items by chunk, so that a score is read while it is
/// still in the second-level cache. All scores come from the same product, whose every element is summed in
/// one order: comparing them is exact.
class UserBlock {
  public:
    /// `hidden`: the items that are not ranked.
    UserBlock(const Tensor& matrix, const Tensor& vectors, const Histories& hidden,
              std::vector<std::int32_t> targets, bool wants_best)
        : matrix_(matrix),
          vectors_(vectors),
          targets_(std::move(targets)),
          own_(targets_.size()),
          ahead_(targets_.size()),
          best_(wants_best ? targets_.size() : 0),
          scores_(targets_.size() * kItems) {
        for (std::span<const std::int32_t> items : hidden) {
            seen_.emplace_back(items.begin(), items.end());
            std::sort(seen_.back().begin(), seen_.back().end());
        }
        score_targets();
        for (std::int64_t first = 0; first < matrix_.size(0); first += kItems)
            add_chunk(first, std::min(kItems, matrix_.size(0) - first));
    }

    std::int64_t rank(std::size_t user) const { return ahead_[user] - 1; }  // the item itself is no better
    void mark_best(std::vector<std::atomic<bool>>& shown) const {
        for (const TenBest& best : best_)
            for (const std::int64_t item : best.items()) shown[static_cast<std::size_t>(item)] = true;
    }

  private:
    /// scores_[user, i] = vectors_[user] . rows[i], `n` rows.
    void score(const float* rows, std::int64_t n) {
        const std::int64_t dim = vectors_.size(1);
        k().gemm(
            {vectors_.size(0), n, dim, vectors_.data_ptr<float>(), dim, 1, rows, 1, dim, scores_.data(), n});
    }

    void score_targets() {
        const auto users = static_cast<std::int64_t>(targets_.size()), dim = vectors_.size(1);
        std::vector<float> rows(static_cast<std::size_t>(users * dim));
        for (std::int64_t u = 0; u < users; ++u)
            std::copy_n(matrix_.data_ptr<float>() + targets_[u] * dim, dim, rows.data() + u * dim);
        score(rows.data(), users);
        for (std::int64_t u = 0; u < users; ++u) own_[u] = scores_[u * users + u];
    }

    void add_chunk(std::int64_t first, std::int64_t items) {
        score(matrix_.data_ptr<float>() + first * matrix_.size(1), items);
        for (std::size_t u = 0; u < targets_.size(); ++u) {
            float* row = scores_.data() + static_cast<std::int64_t>(u) * items;
            auto seen = std::lower_bound(seen_[u].begin(), seen_[u].end(), first);
            for (; seen != seen_[u].end() && *seen < first + items; ++seen) row[*seen - first] = kExcluded;
            ahead_[u] += k().count_at_least(row, items, own_[u]);
            for (std::int64_t i = 0; i < items && !best_.empty(); ++i)
                if (row[i] > kExcluded) best_[u].add(row[i], first + i);
        }
    }

    static constexpr std::int64_t kItems = 2048;
    static constexpr float kExcluded = -100;  // below every sum of cosines
    const Tensor &matrix_, &vectors_;
    std::vector<std::int32_t> targets_;
    std::vector<std::vector<std::int32_t>> seen_;
    std::vector<float> own_;
    std::vector<std::int64_t> ahead_;
    std::vector<TenBest> best_;
    std::vector<float> scores_;
};

}  // namespace

Tensor encode(const Members& members, const Histories& histories, const std::vector<std::int32_t>& ids) {
    const at::NoGradGuard no_gradients;
    const std::int64_t dim = members[0].model.item.size(1), count = static_cast<std::int64_t>(members.size());
    Tensor result = at::empty({static_cast<std::int64_t>(histories.size()), count * dim});
    for (std::size_t begin = 0; begin < histories.size();) {
        const std::size_t end = encode_end(histories, begin);
        for (std::int64_t m = 0; m < count; ++m)
            encode_part(members[static_cast<std::size_t>(m)], histories, ids, begin, end, result, m * dim);
        begin = end;
    }
    return result;
}

Tensor item_directions(const Members& members) {
    const at::NoGradGuard no_gradients;
    if (members.size() == 1) return unit_rows(members[0].model.item);
    std::vector<Tensor> slices;
    for (const Snapshot& member : members) slices.push_back(unit_rows(member.model.item));
    return at::cat(slices, 1);
}

namespace {

/// Some questions, taken apart.
struct Asked {
    Histories histories, hidden;
    std::vector<std::int32_t> users, targets;

    Asked(const Dataset& data, std::span<const Question> questions) {
        for (const Question& question : questions) {
            const auto all = data.sequence(question.user);
            const auto at = static_cast<std::size_t>(question.at);
            histories.push_back(all.first(at));
            hidden.push_back(data.keeps_repeats() ? all.first(0) : all.first(at));
            users.push_back(data.training(question.user).empty() ? -1 : question.user);
            targets.push_back(all[at]);
        }
    }
};

}  // namespace

Ranking rank_held_out(const Dataset& data, const std::vector<Question>& questions, HeldOut which,
                      const Members& members, Workers& workers, const std::function<void(double)>& poll) {
    const auto count = static_cast<std::int64_t>(questions.size());
    const Tensor matrix = item_directions(members);
    Ranking ranking;
    ranking.ranks.resize(questions.size());
    std::vector<std::atomic<bool>> shown(static_cast<std::size_t>(data.items()));
    std::atomic<std::int64_t> next = 0;
    workers.run([&](int) {
        for (std::int64_t begin; (begin = next.fetch_add(kUsers)) < count;) {
            const std::int64_t end = std::min(begin + kUsers, count);
            const Asked asked(data, {questions.begin() + begin, questions.begin() + end});
            const Tensor vectors = encode(members, asked.histories, asked.users);
            const UserBlock block(matrix, vectors, asked.hidden, asked.targets, which == HeldOut::Test);
            for (std::int64_t q = begin; q < end; ++q)
                ranking.ranks[static_cast<std::size_t>(q)] = block.rank(static_cast<std::size_t>(q - begin));
            block.mark_best(shown);
            poll(static_cast<double>(end) / static_cast<double>(count));
        }
    });
    ranking.coverage =
        static_cast<double>(std::count(shown.begin(), shown.end(), true)) / static_cast<double>(data.items());
    return ranking;
}

}  // namespace seqrec::trainer
