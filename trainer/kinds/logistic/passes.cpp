#include "kinds/logistic/passes.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <type_traits>

#include "kinds/shared/numbers.hpp"
#include "random.hpp"

namespace seqrec::trainer {
namespace {

// What a pass adds up: `of` says what a feature counts, `pair` what a pair adds for its features.
struct Gradient {
    static float of(float x) { return x; }
    static float pair(float logit, bool positive, float weight) {
        return weight * (1 / (1 + std::exp(-logit)) - static_cast<float>(positive));
    }
};
struct Curvature {
    static float of(float x) { return x * x; }
    static float pair(float logit, bool, float weight) {
        const float p = 1 / (1 + std::exp(-logit));
        return weight * p * (1 - p);
    }
};
struct Count {
    static float of(float x) { return x != 0; }
    static float pair(float, bool, float) { return 1; }
};
struct Outcomes {
    static float of(float) { return 0; }
    static float pair(float, bool, float) { return 0; }
};

float loss_of(float logit, bool positive, float weight) {
    const float x = positive ? -logit : logit;  // log(1 + exp(x))
    return weight * (std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))));
}

/// Means of the columns of the items that were clicked, older ones counting less.
class Clicked {
  public:
    explicit Clicked(std::size_t columns) : sums_{std::vector<float>(columns), std::vector<float>(columns)} {}
    void clear() {
        for (auto& sums : sums_) std::ranges::fill(sums, 0.0f);
        weights_[0] = weights_[1] = 0;
    }
    void add(std::span<const Entry> item) {
        for (std::size_t m = 0; m < 2; ++m) {
            for (float& sum : sums_[m]) sum *= kLogisticDecays[m];
            for (const Entry& entry : item) sums_[m][static_cast<std::size_t>(entry.feature)] += entry.x;
            weights_[m] = weights_[m] * kLogisticDecays[m] + 1;
        }
    }
    bool any() const { return weights_[0] > 0; }
    const float* sums(std::size_t m) const { return sums_[m].data(); }
    float scale(std::size_t m) const { return 1 / weights_[m]; }

  private:
    std::vector<float> sums_[2];
    float weights_[2] = {};
};

}  // namespace

/// One thread's way over its users. Sums that several users share are its own until they are added up; the
/// users' own rows are written where they belong.
template <typename Mode>
class Passes::Walk {
  public:
    Walk(const Passes& passes, Pairs pairs, std::span<const float> at, std::span<float> sums)
        : passes_(passes),
          data_(passes.data_),
          design_(passes.design_),
          layout_(passes.design_.layout()),
          pairs_(pairs),
          at_(at.data()),
          sums_(sums),
          shared_(kAdds ? static_cast<std::size_t>(layout_.item_rows() - layout_.users * layout_.width())
                        : 0),
          rest_(kAdds ? static_cast<std::size_t>(layout_.total() - layout_.item_rows()) : 0),
          clicked_(static_cast<std::size_t>(layout_.columns)),
          base_(static_cast<std::size_t>(layout_.width())),
          query_(base_.size()),
          user_sum_(base_.size()),
          query_sum_(base_.size()) {}

    void users(std::int64_t begin, std::int64_t end) {
        for (std::int64_t u = begin; u < end; ++u) user(u);
    }
    /// Adds this thread's shared sums to all.
    void finish() {
        for (std::size_t i = 0; i < shared_.size(); ++i) sums_[i] += static_cast<float>(shared_[i]);
        const auto from = static_cast<std::size_t>(layout_.item_rows());
        for (std::size_t i = 0; i < rest_.size(); ++i) sums_[from + i] += rest_[i];
    }
    double loss() const { return loss_; }
    std::vector<PairOutcome>& outcomes() { return outcomes_; }

  private:
    static constexpr bool kAdds = !std::is_same_v<Mode, Outcomes>;
    static constexpr bool kKeeps = std::is_same_v<Mode, Outcomes>;

    std::size_t width() const { return base_.size(); }
    const float* slot_row(std::int32_t slot) const { return at_ + slot * layout_.width(); }

    static void axpy(float x, const float* from, float* to, std::size_t n) {
        for (std::size_t j = 0; j < n; ++j) to[j] += x * from[j];
    }
    void add_to_slot(std::int32_t slot, float x, const std::vector<float>& sum) {
        double* to = shared_.data() + slot * layout_.width();
        for (std::size_t j = 0; j < width(); ++j) to[j] += static_cast<double>(x * sum[j]);
    }
    float& rest(std::int64_t place) { return rest_[static_cast<std::size_t>(place - layout_.item_rows())]; }

    void user(std::int64_t u) {
        const auto [begin, end] = passes_.range(u, pairs_);
        if (begin >= end) return;
        start(u);
        const auto sequence = data_.sequence(u);
        const std::int64_t offset = data_.offsets()[static_cast<std::size_t>(u)];
        for (std::int64_t at = 0; at < end; ++at) {
            const std::int32_t item = sequence[static_cast<std::size_t>(at)];
            if (at >= begin) moment(u, at, offset + at, item);
            clicked_.add(design_.items().at(item));
        }
        if constexpr (kAdds) finish_user(u);
    }

    /// What a user's moments have in common.
    void start(std::int64_t u) {
        clicked_.clear();
        std::copy_n(slot_row(0), width(), base_.begin());
        for (const Entry& entry : design_.users().at(u))
            axpy(entry.x, slot_row(entry.feature), base_.data(), width());
        for (const Entry& entry : design_.users().wide_at(u))
            base_.back() += entry.x * at_[layout_.wide_queries() + entry.feature];
        if (layout_.users > 0)
            axpy(1, at_ + layout_.user_rows() + u * layout_.width(), base_.data(), width());
        std::ranges::fill(user_sum_, 0.0f);
    }

    void moment(std::int64_t u, std::int64_t at, std::int64_t position, std::int32_t item) {
        const Design::Event event = design_.event(position);
        if (event.positive < 0 || !(event.weight > 0) || !is_in_fold(position)) return;
        ask(u, at, event);
        pair(item, event.time, event.positive == 1, event.weight);
        if (!passes_.corrections_.empty()) {
            Random random(passes_.seed_ ^ static_cast<std::uint64_t>(position) * 0x9E3779B97F4A7C15ULL);
            for (std::int64_t n = 0; n < passes_.negatives_; ++n)
                pair(draw(random), event.time, false, event.weight);
        }
        if constexpr (kAdds) finish_moment();
    }

    bool is_in_fold(std::int64_t position) const {
        if (pairs_.which == Pairs::Fold::All) return true;
        const auto fold = static_cast<int>(Random(static_cast<std::uint64_t>(position)).below(kFolds));
        return (fold == pairs_.fold) == (pairs_.which == Pairs::Fold::Inside);
    }

    std::int32_t draw(Random& random) const {
        if (random.below(2) == 0)
            return static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(data_.items())));
        const std::int64_t position =
            static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(data_.interactions())));
        return data_.items_of_sequences()[static_cast<std::size_t>(position)];
    }

    void ask(std::int64_t u, std::int64_t at, const Design::Event& event) {
        const double count = std::log1p(static_cast<double>(std::min<std::int64_t>(at, kLogisticReach)));
        clicks_ = standardised(count, design_.clicks_mean(), design_.clicks_deviation());
        moment_.clear();
        moment_wide_.clear();
        design_.append_user_times(u, event.time, moment_);
        design_.append_moment(event.row, moment_, moment_wide_);
        query_ = base_;
        axpy(clicks_, slot_row(1), query_.data(), width());
        for (const Entry& entry : moment_) axpy(entry.x, slot_row(entry.feature), query_.data(), width());
        for (const Entry& entry : moment_wide_)
            query_.back() += entry.x * at_[layout_.wide_queries() + entry.feature];
        const auto columns = static_cast<std::size_t>(layout_.columns);
        for (std::size_t m = 0; m < 2 && clicked_.any(); ++m) {
            const float *affinity = at_ + layout_.affinity() + m * columns, *sums = clicked_.sums(m);
            const float scale = clicked_.scale(m);
            for (std::size_t j = 0; j < columns; ++j) query_[j] += affinity[j] * sums[j] * scale;
        }
        own_.clear();
        for (const auto& entries : {design_.users().at(u), std::span<const Entry>(moment_)})
            for (const Entry& entry : entries)
                if (const std::int32_t own = design_.own_of(entry.feature); own >= 0)
                    own_.push_back({own, entry.x});
        if constexpr (kAdds) std::ranges::fill(query_sum_, 0.0f);
    }

    std::span<const Entry> features_of(std::int32_t item, double time) {
        if (!design_.has_item_times()) return design_.items().at(item);
        const auto known = design_.items().at(item);
        item_features_.assign(known.begin(), known.end());
        design_.append_item_times(item, time, item_features_);
        return item_features_;
    }

    void pair(std::int32_t item, double time, bool positive, float weight) {
        const auto features = features_of(item, time);
        const float* own = layout_.items > 0 ? at_ + layout_.item_rows() + item * layout_.own : nullptr;
        float logit = query_.back() - passes_.correction(item);
        for (const Entry& entry : features)
            logit += entry.x * query_[static_cast<std::size_t>(entry.feature)];
        for (const Entry& entry : design_.items().wide_at(item))
            logit += entry.x * at_[layout_.wide_items() + entry.feature];
        if (own) {
            logit += own[0];
            for (const Entry& entry : own_) logit += entry.x * own[entry.feature];
        }
        if constexpr (kKeeps) outcomes_.push_back({logit, weight, positive});
        if constexpr (kAdds) add(item, features, Mode::pair(logit, positive, weight));
        if constexpr (std::is_same_v<Mode, Gradient>)
            loss_ += static_cast<double>(loss_of(logit, positive, weight));
    }

    void add(std::int32_t item, std::span<const Entry> features, float by) {
        for (const Entry& entry : features)
            query_sum_[static_cast<std::size_t>(entry.feature)] += by * Mode::of(entry.x);
        query_sum_.back() += by;
        for (const Entry& entry : design_.items().wide_at(item))
            rest(layout_.wide_items() + entry.feature) += by * Mode::of(entry.x);
        if (layout_.items == 0) return;
        float* own = &rest(layout_.item_rows() + item * layout_.own);
        own[0] += by;
        for (const Entry& entry : own_) own[entry.feature] += by * Mode::of(entry.x);
    }

    void finish_moment() {
        add_to_slot(1, Mode::of(clicks_), query_sum_);
        for (const Entry& entry : moment_) add_to_slot(entry.feature, Mode::of(entry.x), query_sum_);
        for (const Entry& entry : moment_wide_)
            rest(layout_.wide_queries() + entry.feature) += Mode::of(entry.x) * query_sum_.back();
        const auto columns = static_cast<std::size_t>(layout_.columns);
        for (std::size_t m = 0; m < 2 && clicked_.any(); ++m) {
            float* to = &rest(layout_.affinity()) + m * columns;
            const float *sums = clicked_.sums(m), scale = clicked_.scale(m);
            for (std::size_t j = 0; j < columns; ++j) to[j] += query_sum_[j] * Mode::of(sums[j] * scale);
        }
        axpy(1, query_sum_.data(), user_sum_.data(), width());
    }

    void finish_user(std::int64_t u) {
        add_to_slot(0, 1, user_sum_);
        for (const Entry& entry : design_.users().at(u))
            add_to_slot(entry.feature, Mode::of(entry.x), user_sum_);
        for (const Entry& entry : design_.users().wide_at(u))
            rest(layout_.wide_queries() + entry.feature) += Mode::of(entry.x) * user_sum_.back();
        if (layout_.users > 0)
            std::ranges::copy(user_sum_, sums_.begin() + layout_.user_rows() + u * layout_.width());
    }

    const Passes& passes_;
    const Dataset& data_;
    const Design& design_;
    const Layout& layout_;
    const Pairs pairs_;
    const float* at_;
    std::span<float> sums_;
    std::vector<double> shared_;
    std::vector<float> rest_;
    Clicked clicked_;
    std::vector<float> base_, query_, user_sum_, query_sum_;
    std::vector<Entry> moment_, moment_wide_, own_, item_features_;
    std::vector<PairOutcome> outcomes_;
    float clicks_ = 0;
    double loss_ = 0;
};

Passes::Passes(const Dataset& data, const Design& design, std::int64_t negatives, std::uint64_t seed,
               Workers& workers)
    : data_(data), design_(design), negatives_(negatives), seed_(seed), workers_(workers) {
    if (design.is_labelled()) return;
    const std::vector<std::int64_t> counts = data.counts(Part::All);
    const auto all = static_cast<double>(data.interactions()), items = static_cast<double>(data.items());
    for (const std::int64_t count : counts)
        corrections_.push_back(static_cast<float>(std::log(
            static_cast<double>(negatives) * (0.5 / items + 0.5 * static_cast<double>(count) / all))));
}

std::pair<std::int64_t, std::int64_t> Passes::range(std::int64_t user, Pairs pairs) const {
    switch (pairs.of) {
        case Of::Training:
            return {0, static_cast<std::int64_t>(data_.training(user).size())};
        case Of::All:
            return {0, static_cast<std::int64_t>(data_.sequence(user).size())};
        case Of::Validation:
            return data_.held_out(user, HeldOut::Validation);
        case Of::Test:
            return data_.held_out(user, HeldOut::Test);
    }
    return {0, 0};
}

/// The user with whom a share of all interactions has begun.
std::int64_t Passes::user_at(double share) const {
    const auto& offsets = data_.offsets();
    const auto at = static_cast<std::int64_t>(share * static_cast<double>(data_.interactions()));
    return std::ranges::lower_bound(offsets, at) - offsets.begin();
}

template <typename Mode>
double Passes::add_up(Pairs pairs, std::span<const float> at, std::span<float> sums) const {
    std::ranges::fill(sums, 0.0f);
    std::vector<std::unique_ptr<Walk<Mode>>> walks(static_cast<std::size_t>(workers_.count()));
    const double parts = workers_.count();
    workers_.run([&](int part) {
        auto& walk = walks[static_cast<std::size_t>(part)];
        walk = std::make_unique<Walk<Mode>>(*this, pairs, at, sums);
        const std::int64_t end = part + 1 == workers_.count() ? data_.users() : user_at((part + 1) / parts);
        walk->users(part == 0 ? 0 : user_at(part / parts), end);
    });
    double loss = 0;
    for (const auto& walk : walks) {
        walk->finish();
        loss += walk->loss();
    }
    return loss;
}

double Passes::gradient(Pairs pairs, std::span<const float> at, std::span<float> gradient) const {
    return add_up<Gradient>(pairs, at, gradient);
}

std::vector<float> Passes::curvature(Pairs pairs, std::span<const float> at) const {
    std::vector<float> sums(at.size());
    add_up<Curvature>(pairs, at, sums);
    return sums;
}

std::vector<float> Passes::counts(Pairs pairs) const {
    const auto total = static_cast<std::size_t>(design_.layout().total());
    std::vector<float> sums(total);
    add_up<Count>(pairs, std::vector<float>(total), sums);
    return sums;
}

std::vector<PairOutcome> Passes::outcomes(Pairs pairs, std::span<const float> at) const {
    Walk<Outcomes> walk(*this, pairs, at, {});
    walk.users(0, data_.users());
    return std::move(walk.outcomes());
}

}  // namespace seqrec::trainer
