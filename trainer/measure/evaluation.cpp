#include "measure/evaluation.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

#include "data/excluded.hpp"
#include "kernels/step_kernels.hpp"
#include "measure/ten_best.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kUsers = 96;  // scored at a time

/// The held-out items of a few users, ranked chunk of items by chunk, so that a score is read while it is
/// still in the second-level cache. All scores come from the same product, whose every element is summed in
/// one order: comparing them is exact.
class UserBlock {
  public:
    /// `hidden`: the items that are not ranked; `aged`: those that `shifts` are added to.
    UserBlock(const Tensor& matrix, const Tensor& vectors, std::vector<std::vector<std::int32_t>> hidden,
              std::vector<std::vector<AgedItem>> aged, const Shifts& shifts,
              std::vector<std::int32_t> targets, bool wants_best)
        : matrix_(matrix),
          vectors_(vectors),
          targets_(std::move(targets)),
          aged_(std::move(aged)),
          shifts_(shifts),
          own_(targets_.size()),
          ahead_(targets_.size()),
          best_(wants_best ? targets_.size() : 0),
          scores_(targets_.size() * kItems) {
        for (std::vector<std::int32_t>& items : hidden) {
            std::sort(items.begin(), items.end());
            seen_.push_back(std::move(items));
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
        for (std::int64_t u = 0; u < users; ++u) {
            own_[u] = scores_[u * users + u];
            for (const AgedItem& click : aged_[u])
                if (click.item == targets_[u]) own_[u] += shifts_[static_cast<std::size_t>(click.age)];
        }
    }

    /// Adds the shifts of those of a user's clicks that lie among items [first, first + items).
    void shift(std::size_t u, std::int64_t first, std::int64_t items, float* row) const {
        for (const AgedItem& click : aged_[u])
            if (click.item >= first && click.item < first + items)
                row[click.item - first] += shifts_[static_cast<std::size_t>(click.age)];
    }

    void add_chunk(std::int64_t first, std::int64_t items) {
        score(matrix_.data_ptr<float>() + first * matrix_.size(1), items);
        for (std::size_t u = 0; u < targets_.size(); ++u) {
            float* row = scores_.data() + static_cast<std::int64_t>(u) * items;
            shift(u, first, items, row);
            auto seen = std::lower_bound(seen_[u].begin(), seen_[u].end(), first);
            for (; seen != seen_[u].end() && *seen < first + items; ++seen) row[*seen - first] = kExcluded;
            ahead_[u] += k().count_at_least(row, items, own_[u]);
            for (std::int64_t i = 0; i < items && !best_.empty(); ++i)
                if (row[i] > kExcluded) best_[u].add(row[i], first + i);
        }
    }

    static constexpr std::int64_t kItems = 2048;
    static constexpr float kExcluded = -std::numeric_limits<float>::infinity();  // below every score
    const Tensor &matrix_, &vectors_;
    std::vector<std::int32_t> targets_;
    std::vector<std::vector<AgedItem>> aged_;
    const Shifts& shifts_;
    std::vector<std::vector<std::int32_t>> seen_;
    std::vector<float> own_;
    std::vector<std::int64_t> ahead_;
    std::vector<TenBest> best_;
    std::vector<float> scores_;
};

}  // namespace

namespace {

/// Some questions, taken apart.
struct Asked {
    Histories histories;
    std::vector<std::vector<std::int32_t>> hidden;
    std::vector<bool> missed;  // what is asked for is never recommended to who asks
    std::vector<std::vector<AgedItem>> aged;
    std::vector<std::int32_t> targets;

    Asked(const Dataset& data, const Excluded& excluded, std::span<const Question> questions, bool shifted) {
        for (const Question& question : questions) {
            const auto all = data.sequence(question.user);
            const auto at = static_cast<std::size_t>(question.at);
            histories.push_back(all.first(at));
            hidden.push_back({});
            if (!data.keeps_repeats()) hidden.back().assign(all.begin(), all.begin() + question.at);
            const std::vector<std::int32_t> refused = excluded.before(data, question);
            hidden.back().insert(hidden.back().end(), refused.begin(), refused.end());
            missed.push_back(std::ranges::binary_search(refused, all[at]));
            if (missed.back()) std::erase(hidden.back(), all[at]);  // ranked apart
            targets.push_back(all[at]);
            aged.push_back(shifted ? ages_of(histories.back()) : std::vector<AgedItem>());
        }
    }
};

}  // namespace

std::vector<Question> few_questions(const Dataset& data, HeldOut which) {
    const std::size_t limit = 2'500'000'000 / static_cast<std::size_t>(data.items());
    return thin_out(data.questions(which), std::clamp<std::size_t>(limit, 2000, 20000));
}

Ranking rank_held_out(const Dataset& data, const std::vector<Question>& questions, HeldOut which,
                      const Weights& weights, const Shifts& shifts, Workers& workers,
                      const std::function<void(double)>& poll) {
    const auto count = static_cast<std::int64_t>(questions.size());
    const Tensor matrix = weights.item_rows();
    const Excluded excluded(data);
    Ranking ranking;
    ranking.ranks.resize(questions.size());
    std::vector<std::atomic<bool>> shown(static_cast<std::size_t>(data.items()));
    std::atomic<std::int64_t> next = 0;
    workers.run([&](int) {
        for (std::int64_t begin; (begin = next.fetch_add(kUsers)) < count;) {
            const std::int64_t end = std::min(begin + kUsers, count);
            const std::span<const Question> some(questions.begin() + begin, questions.begin() + end);
            const Asked asked(data, excluded, some, !shifts.empty());
            const Tensor vectors = weights.ask(data, some);
            const UserBlock block(matrix, vectors, asked.hidden, asked.aged, shifts, asked.targets,
                                  which == HeldOut::Test);
            for (std::int64_t q = begin; q < end; ++q)
                ranking.ranks[static_cast<std::size_t>(q)] =
                    asked.missed[static_cast<std::size_t>(q - begin)]
                        ? data.items()
                        : block.rank(static_cast<std::size_t>(q - begin));
            block.mark_best(shown);
            poll(static_cast<double>(end) / static_cast<double>(count));
        }
    });
    ranking.coverage =
        static_cast<double>(std::count(shown.begin(), shown.end(), true)) / static_cast<double>(data.items());
    return ranking;
}

}  // namespace seqrec::trainer
