#include "measure/repeats.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

/// What is tried, in standard deviations of the scores.
constexpr std::array<float, 15> kSteps = {-6, -3,    -2,   -1.5f, -1, -0.75f, -0.5f, -0.25f,
                                          0,  0.25f, 0.5f, 0.75f, 1,  1.5f,   2};
constexpr std::size_t kNothing = 8;    // the step 0
constexpr std::int64_t kQueries = 96;  // scored at a time
constexpr std::int64_t kItems = 2048;  // by so many items
constexpr std::int64_t kSpreadItems = 1000;
constexpr int kSweeps = 3;

/// What the rank of one question depends on.
struct Case {
    int age = -1;                                   // of the item asked for; -1: not among the clicks
    float score = 0;                                // of the item asked for
    std::vector<std::pair<int, float>> clicked;     // the other clicks: age and score
    std::array<std::int64_t, kSteps.size()> ahead;  // of all others, with the item asked for at each step
};

struct Block {
    std::vector<Case> cases;
    std::vector<std::vector<AgedItem>> aged;
    std::vector<std::int32_t> targets;
    Tensor queries;

    Block(const Dataset& data, std::span<const Question> questions, const Weights& weights)
        : cases(questions.size()) {
        for (const Question& question : questions) {
            const auto all = data.sequence(question.user);
            targets.push_back(all[static_cast<std::size_t>(question.at)]);
            aged.push_back(ages_of(all.first(static_cast<std::size_t>(question.at))));
        }
        queries = weights.ask(data, questions);
    }

    /// scores[q, i] for rows [first, first + n).
    void score(const Tensor& rows, std::int64_t first, std::int64_t n, std::vector<float>& scores) const {
        const std::int64_t width = queries.size(1);
        scores.resize(static_cast<std::size_t>(queries.size(0) * n));
        k().gemm({queries.size(0), n, width, queries.data_ptr<float>(), width, 1,
                  rows.data_ptr<float>() + first * width, 1, width, scores.data(), n});
    }
};

/// The standard deviation of scores, by some queries and some items.
float spread(const Block& block, const Tensor& rows) {
    const std::int64_t step = rows.size(0) / kSpreadItems + 1;
    double sum = 0, squares = 0, count = 0;
    for (std::int64_t q = 0; q < block.queries.size(0); ++q)
        for (std::int64_t i = 0; i < rows.size(0); i += step, ++count) {
            const std::int64_t width = rows.size(1);
            const double score = k().dot(block.queries.data_ptr<float>() + q * width,
                                         rows.data_ptr<float>() + i * width, width);
            sum += score;
            squares += score * score;
        }
    return static_cast<float>(std::sqrt(std::max(0.0, squares / count - sum * sum / count / count)));
}

/// Sets what the clicks score, and takes them out of the row, which is counted afterwards.
void take_clicks(Block& block, std::size_t q, std::int64_t first, std::int64_t n, float* row) {
    Case& one = block.cases[q];
    const std::int32_t target = block.targets[q];
    for (const AgedItem& click : block.aged[q]) {
        if (click.item < first || click.item >= first + n) continue;
        if (click.item == target)
            one.age = click.age;
        else
            one.clicked.emplace_back(click.age, row[click.item - first]);
        row[click.item - first] = -std::numeric_limits<float>::infinity();
    }
    if (target >= first && target < first + n) row[target - first] = -std::numeric_limits<float>::infinity();
}

void fill(Block& block, const Tensor& rows, float unit) {
    std::vector<float> scores;
    for (std::size_t q = 0; q < block.cases.size(); ++q) {
        const std::int64_t width = rows.size(1);
        block.cases[q].ahead.fill(0);
        block.cases[q].score = k().dot(block.queries.data_ptr<float>() + static_cast<std::int64_t>(q) * width,
                                       rows.data_ptr<float>() + block.targets[q] * width, width);
        for (const AgedItem& click : block.aged[q])
            if (click.item == block.targets[q]) block.cases[q].age = click.age;
    }
    for (std::int64_t first = 0; first < rows.size(0); first += kItems) {
        const std::int64_t n = std::min(kItems, rows.size(0) - first);
        block.score(rows, first, n, scores);
        for (std::size_t q = 0; q < block.cases.size(); ++q) {
            float* row = scores.data() + static_cast<std::int64_t>(q) * n;
            take_clicks(block, q, first, n, row);
            Case& one = block.cases[q];
            for (std::size_t s = 0; s < kSteps.size(); ++s)
                if (one.age >= 0 || s == kNothing)
                    one.ahead[s] += k().count_at_least(row, n, one.score + unit * kSteps[s]);
        }
    }
}

/// A step for each age.
using Steps = std::array<std::size_t, kAges>;

double gain(const Case& one, const Steps& steps, float unit) {
    const std::size_t own = one.age < 0 ? kNothing : steps[static_cast<std::size_t>(one.age)];
    std::int64_t rank = one.ahead[own];
    if (rank >= 10) return 0;
    const float score = one.score + unit * kSteps[own];
    for (const auto& [age, other] : one.clicked)
        rank += other + unit * kSteps[steps[static_cast<std::size_t>(age)]] >= score;
    return rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0;
}

constexpr double kClearly = 2;  // standard errors: what a few questions say of a step may be chance

/// How the questions rank with some steps, and whether others rank them clearly better.
class Trial {
  public:
    Trial(const std::vector<Case>& cases, float unit, const Steps& steps)
        : cases_(cases), unit_(unit), steps_(steps), gains_(gains(steps)) {}

    const Steps& steps() const { return steps_; }
    /// Takes the best of some steps, where it is clearly better than those at hand; whether it did.
    bool take(const std::vector<Steps>& tried) {
        double most = 0;
        const Steps* best = nullptr;
        for (const Steps& steps : tried)
            if (const double more = clear_gain(gains(steps)); more > most) {
                most = more;
                best = &steps;
            }
        if (best) *this = Trial(cases_, unit_, *best);
        return best != nullptr;
    }
    Trial& operator=(const Trial& other) {
        steps_ = other.steps_;
        gains_ = other.gains_;
        return *this;
    }
    Trial(const Trial&) = default;

  private:
    std::vector<float> gains(const Steps& steps) const {
        std::vector<float> all;
        all.reserve(cases_.size());
        for (const Case& one : cases_) all.push_back(static_cast<float>(gain(one, steps, unit_)));
        return all;
    }
    /// By how much the sum is higher; 0 where it is not higher by kClearly.
    double clear_gain(const std::vector<float>& other) const {
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < other.size(); ++i) {
            const double more = static_cast<double>(other[i]) - static_cast<double>(gains_[i]);
            sum += more;
            squares += more * more;
        }
        return sum > kClearly * std::sqrt(squares) ? sum : 0;
    }

    const std::vector<Case>& cases_;
    float unit_;
    Steps steps_;
    std::vector<float> gains_;
};

/// First one step for all ages, then one age after the other by itself as the others are, until none changes.
Steps best_steps(const std::vector<Case>& cases, float unit, const Steps& before) {
    Trial trial(cases, unit, before);
    std::vector<Steps> tried(kSteps.size());
    for (std::size_t step = 0; step < kSteps.size(); ++step) tried[step].fill(step);
    trial.take(tried);
    bool changed = true;
    for (int sweep = 0; changed && sweep < kSweeps; ++sweep) {
        changed = false;
        for (std::size_t age = 0; age < before.size(); ++age) {
            for (std::size_t step = 0; step < kSteps.size(); ++step) {
                tried[step] = trial.steps();
                tried[step][age] = step;
            }
            changed |= trial.take(tried);
        }
    }
    return trial.steps();
}

/// The steps that are nearest to shifts of before.
Steps nearest_steps(const Shifts& before, float unit) {
    Steps steps;
    steps.fill(kNothing);
    for (std::size_t age = 0; age < std::min(before.size(), steps.size()); ++age)
        for (std::size_t step = 0; step < kSteps.size(); ++step)
            if (std::abs(unit * kSteps[step] - before[age]) <
                std::abs(unit * kSteps[steps[age]] - before[age]))
                steps[age] = step;
    return steps;
}

}  // namespace

Shifts fit_shifts(const Dataset& data, const std::vector<Question>& questions, const Weights& weights,
                  Workers& workers, const std::function<void(double)>& poll, const Shifts& before) {
    if (!data.keeps_repeats()) return {};
    if (questions.empty())  // a config may have been edited
        return std::ranges::all_of(before, [](float shift) { return std::isfinite(shift); }) ? before
                                                                                             : Shifts();
    const at::NoGradGuard no_gradients;
    const auto count = static_cast<std::int64_t>(questions.size());
    const Tensor rows = weights.item_rows();
    const std::span<const Question> all(questions);
    const float unit =
        spread(Block(data, all.first(static_cast<std::size_t>(std::min(kQueries, count))), weights), rows);
    std::vector<Case> cases(questions.size());
    std::atomic<std::int64_t> next = 0;
    workers.run([&](int) {
        const at::NoGradGuard none;
        for (std::int64_t begin; (begin = next.fetch_add(kQueries)) < count;) {
            const std::int64_t end = std::min(begin + kQueries, count);
            Block block(data,
                        all.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
                        weights);
            fill(block, rows, unit);
            std::ranges::move(block.cases, cases.begin() + begin);
            poll(static_cast<double>(end) / static_cast<double>(count));
        }
    });
    Shifts shifts;
    for (const std::size_t step : best_steps(cases, unit, nearest_steps(before, unit)))
        shifts.push_back(unit * kSteps[step]);
    return shifts;
}

}  // namespace seqrec::trainer
