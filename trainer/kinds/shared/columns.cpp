#include "kinds/shared/columns.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kinds/shared/numbers.hpp"

namespace seqrec::trainer {
namespace {

using Type = FeatureColumn::Type;

/// Between neighbours where there are few different numbers, else so that bins have equally many rows.
std::vector<double> edges_of(const std::vector<double>& sorted, std::size_t bins) {
    std::vector<double> distinct = sorted;
    distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
    std::vector<double> edges;
    if (distinct.size() <= bins) {
        for (std::size_t i = 1; i < distinct.size(); ++i)
            edges.push_back(std::midpoint(distinct[i - 1], distinct[i]));
        return edges;
    }
    for (std::size_t b = 1; b < bins; ++b) edges.push_back(sorted[b * sorted.size() / bins]);
    edges.erase(std::ranges::unique(edges).begin(), edges.end());
    return edges;
}

std::vector<std::string> names_of_bins(const std::vector<double>& edges, const std::vector<double>& sorted) {
    std::vector<std::string> names;
    if (edges.empty()) return names;
    const bool each = std::ranges::count_if(sorted, [&, last = NAN](double x) mutable {
                          return std::exchange(last, x) != x;
                      }) == static_cast<std::ptrdiff_t>(edges.size()) + 1;
    auto at = sorted.begin();
    for (std::size_t b = 0; b <= edges.size(); ++b) {
        if (each)
            names.push_back(short_number(*at));
        else if (b == 0)
            names.push_back("below " + short_number(edges[0]));
        else if (b == edges.size())
            names.push_back("from " + short_number(edges[b - 1]));
        else
            names.push_back(short_number(edges[b - 1]) + " to " + short_number(edges[b]));
        if (b < edges.size()) at = std::ranges::lower_bound(sorted, edges[b]);
    }
    return names;
}

/// Features by how many rows have them, most first.
std::vector<std::int32_t> most_frequent(std::span<const std::int64_t> rows) {
    std::vector<std::int32_t> order(rows.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(),
                             [&](std::int32_t f) { return rows[static_cast<std::size_t>(f)]; });
    return order;
}

}  // namespace

std::int32_t slots_each(std::size_t columns) {
    const auto share = kAllSlots / static_cast<std::int32_t>(std::max<std::size_t>(columns, 1));
    return std::clamp(share, kLeastSlots, kMostSlots);
}

Column::Column(const FeatureColumn& source, std::span<const Sighting> sightings, double now,
               std::int32_t most_slots)
    : Column(source.name, source.type) {
    now_ = now;
    most_slots_ = most_slots;
    if (type_ == Type::Category) {
        categories_ = &source;
        learn_categories();
        return;
    }
    numbers_ = source.numbers;
    const auto known = std::ranges::count_if(numbers_, [](double x) { return std::isfinite(x); });
    missing_ = known > 0 && known < std::ranges::ssize(numbers_);
    std::vector<double> usual(numbers_.begin(), numbers_.end());
    if (is_time()) {
        usual.clear();
        for (const Sighting& seen : sightings)
            usual.push_back(seen.time - numbers_[static_cast<std::size_t>(seen.row)]);
    }
    learn_numbers(std::move(usual));
}

/// Both features are there whatever the numbers are: they are counted anew, and must keep their places.
Column Column::of_numbers(std::string name, std::vector<double> numbers) {
    Column column(std::move(name), Type::Number);
    column.own_numbers_ = std::move(numbers);
    column.learn_numbers(column.own_numbers_);
    column.edges_.clear();
    column.values_.clear();
    column.missing_ = column.numeric_ = true;
    column.slots_ = column.features();
    return column;
}

void Column::learn_numbers(std::vector<double> numbers) {
    std::erase_if(numbers, [](double x) { return !std::isfinite(x); });
    std::ranges::sort(numbers);
    if (!numbers.empty() && numbers.front() < numbers.back()) {
        numeric_ = true;
        std::tie(mean_, deviation_) = mean_and_deviation(numbers);
        edges_ = edges_of(numbers, std::min(kBins, static_cast<std::size_t>(most_slots_ - 2)));
        values_ = names_of_bins(edges_, numbers);
    }
    slots_ = features();
}

void Column::learn_categories() {
    const FeatureColumn& source = *categories_;
    std::vector<std::int64_t> rows_of_code(source.values.size());
    for (const std::int32_t code : source.codes) ++rows_of_code[static_cast<std::size_t>(code)];
    for (std::int64_t row = 0; row < source.rows() && !missing_; ++row) missing_ = source.at(row).empty();
    const std::vector<std::int32_t> order = most_frequent(rows_of_code);
    hashed_ = order.size() > kMostValues ? kHashed : 0;
    const std::size_t kept = std::min(order.size(), kMostValues);
    value_of_.resize(order.size());
    std::vector<std::int64_t> rows(kept + static_cast<std::size_t>(hashed_));
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto code = static_cast<std::size_t>(order[i]);
        const auto value = i < kept
                               ? static_cast<std::int32_t>(i)
                               : static_cast<std::int32_t>(kept) + hashed_value(source.values[code], hashed_);
        value_of_[code] = value;
        rows[static_cast<std::size_t>(value)] += rows_of_code[code];
        if (i < kept) values_.emplace_back(source.values[code]);
    }
    for (std::int32_t h = 0; h < hashed_; ++h) values_.push_back("(others " + std::to_string(h) + ")");
    if (values_.size() + missing_ < 2)
        values_.clear(), value_of_.assign(value_of_.size(), -1), missing_ = false;
    choose_slots(rows);
}

/// The most frequent values keep a slot, the others share the one after them.
void Column::choose_slots(std::span<const std::int64_t> rows) {
    slots_ = features();
    if (slots_ <= most_slots_) return;
    const std::int32_t shared = most_slots_ - (missing_ ? 2 : 1);
    const std::vector<std::int32_t> order = most_frequent(rows.first(values_.size()));
    slot_of_.assign(static_cast<std::size_t>(features()), shared);
    for (std::int32_t i = 0; i < shared; ++i)
        slot_of_[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = i;
    if (missing_) slot_of_.back() = shared + 1;
    slots_ = most_slots_;
}

void Column::append_number(double number, std::vector<Entry>& to) const {
    if (!std::isfinite(number)) {
        if (missing_) to.push_back({missing_feature(), 1});
        return;
    }
    if (!numeric_) return;
    if (!values_.empty()) to.push_back({bin_of(edges_, number), 1});
    to.push_back({features() - 1, standardised(number, mean_, deviation_)});
}

void Column::append(std::int64_t row, double time, std::vector<Entry>& to) const {
    if (features() == 0) return;
    const auto at = static_cast<std::size_t>(row);
    if (type_ == Type::Number)
        return append_number(own_numbers_.empty() ? numbers_[at] : own_numbers_[at], to);
    if (type_ == Type::Time) return append_number(time - numbers_[at], to);
    const auto codes = categories_->at(row);
    if (codes.empty() && missing_) to.push_back({missing_feature(), 1});
    const float share = 1 / std::sqrt(static_cast<float>(codes.size()));
    for (const std::int32_t code : codes) to.push_back({value_of_[static_cast<std::size_t>(code)], share});
}

std::string Column::value(std::int32_t feature) const {
    if (feature < static_cast<std::int32_t>(values_.size()))
        return values_[static_cast<std::size_t>(feature)];
    return missing_ && feature == missing_feature() ? "(missing)" : "";
}

std::string Column::slot_value(std::int32_t slot) const {
    if (!is_wide()) return value(slot);
    const auto of = std::ranges::find(slot_of_, slot);
    const bool shared = std::ranges::count(slot_of_, slot) > 1;
    return shared ? "(others)" : value(static_cast<std::int32_t>(of - slot_of_.begin()));
}

QueryColumn Column::described(std::int32_t first) const {
    const char* type = type_ == Type::Category ? "category" : type_ == Type::Time ? "time" : "number";
    QueryColumn column{name_, type, first, static_cast<std::int32_t>(values_.size())};
    if (missing_) column.missing = first + missing_feature();
    if (numeric_) column.number = first + features() - 1;
    column.hashed = hashed_;
    column.mean = mean_;
    column.deviation = deviation_;
    column.edges = edges_;
    column.now = now_;
    return column;
}

}  // namespace seqrec::trainer
