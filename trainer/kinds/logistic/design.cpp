#include "kinds/logistic/design.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/error.hpp"
#include "kinds/shared/numbers.hpp"
#include "random.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kSightings = 100000;  // that tell what ages are usual
constexpr std::int64_t kMostOfRows =
    60'000'000;  // coefficients of users' or items' own rows: gigabytes beyond
constexpr const char* kUser = "user_id";
constexpr const char* kItem = "item_id";

std::size_t number(Side side) { return static_cast<std::size_t>(side); }

std::vector<std::string> names_of(const std::vector<Place>& places, const char* id) {
    std::vector<std::string> names = {id};
    for (const Place& place : places) names.push_back(place.column->name());
    return names;
}

std::string joined(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    return all;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

void expect_name(const std::string& name, const std::vector<std::string>& among, const char* of) {
    if (!contains(among, name))
        throw Error(sqlstate::kInvalidParameter,
                    "option \"crosses\" names \"" + name + "\", which is no column of " + of,
                    "Columns of " + std::string(of) + ": " + joined(among) + ".");
}

}  // namespace

void Entries::end_row() {
    offsets.push_back(static_cast<std::int64_t>(slots.size()));
    wide_offsets.push_back(static_cast<std::int64_t>(wide.size()));
}

std::span<const Entry> Entries::at(std::int64_t row) const {
    const auto r = static_cast<std::size_t>(row);
    return {slots.data() + offsets[r], slots.data() + offsets[r + 1]};
}

std::span<const Entry> Entries::wide_at(std::int64_t row) const {
    const auto r = static_cast<std::size_t>(row);
    return {wide.data() + wide_offsets[r], wide.data() + wide_offsets[r + 1]};
}

Design::Design(const Dataset& data, const json& options)
    : data_(data),
      ids_(options.at("ids")),
      rows_(data.rows_of_sequences()),
      times_(data.file().get<double>("event.time", {data.rows()})),
      labels_(read_labels(data.file(), data.rows())),
      weights_(read_weights(data.file(), data.rows())) {
    for (const double time : times_) now_ = std::max(now_, time);
    if (!labels_.empty()) {
        read_labels_as(options.at("positive_from"));
        expect_both();
    }
    if (!weights_.empty()) scale_weights();
    make_columns();
    count_popularity(Part::Training);
    place_columns();
    name_places();
    choose_crosses(options.at("crosses"));
    number_groups();
    fill_entries();
}

/// Without a bound, labels have to be what everybody takes for yes and no.
void Design::read_labels_as(const json& positive_from) {
    if (positive_from.is_number()) {
        positive_from_ = positive_from;
        return;
    }
    const auto is_clear = [](float label) { return std::isnan(label) || label == 0 || label == 1; };
    if (const auto other = std::ranges::find_if_not(labels_, is_clear); other != labels_.end())
        throw Error(sqlstate::kInvalidParameter,
                    "the label is " + short_number(static_cast<double>(*other)) +
                        " somewhere, and nothing says from what on it is positive",
                    "Give it: options => '{\"positive_from\": 4, …}'; other rows are the negatives.");
}

/// A fit to pairs of one outcome alone says nothing.
void Design::expect_both() const {
    bool has[2] = {};
    for (std::int64_t u = 0; u < data_.users(); ++u)
        for (std::size_t at = 0; at < data_.training(u).size(); ++at) {
            const Event told =
                event(data_.offsets()[static_cast<std::size_t>(u)] + static_cast<std::int64_t>(at));
            if (told.positive >= 0) has[told.positive] = true;
        }
    if (!has[0] || !has[1])
        throw Error(sqlstate::kNotEnoughData,
                    std::string("no row to learn from is a ") + (has[1] ? "negative" : "positive"),
                    "Check the options label and positive_from, and that the label is not NULL everywhere.");
}

Design::Event Design::event(std::int64_t position) const {
    const std::int64_t row = rows_[static_cast<std::size_t>(position)];
    const auto r = static_cast<std::size_t>(row);
    Event event{row, times_[r], 1, weights_.empty() ? 1 : std::max(0.0f, weights_[r]) * weight_scale_};
    if (!labels_.empty())
        event.positive =
            std::isnan(labels_[r]) ? std::int8_t{-1} : static_cast<std::int8_t>(labels_[r] >= positive_from_);
    return event;
}

/// Weights say how interactions compare: their mean is made 1, or penalties and calibration would take a large one for
/// much evidence.
void Design::scale_weights() {
    double sum = 0, count = 0;
    for (std::int64_t u = 0; u < data_.users(); ++u)
        for (std::size_t at = 0; at < data_.training(u).size(); ++at, ++count)
            sum += static_cast<double>(
                event(data_.offsets()[static_cast<std::size_t>(u)] + static_cast<std::int64_t>(at)).weight);
    if (!(sum > 0))
        throw Error(sqlstate::kNotEnoughData, "no row to learn from has a weight above 0",
                    "Check the option event_weights: an event that weighs 0 does not count.");
    weight_scale_ = static_cast<float>(count / sum);
}

/// An even sample of the interactions, with the rows of a side that they have.
std::vector<Sighting> Design::sightings(Side side) const {
    std::vector<Sighting> seen;
    const std::vector<std::int64_t>& offsets = data_.offsets();
    const std::size_t step = rows_.size() / kSightings + 1;
    std::int64_t user = 0;
    for (std::size_t i = 0; i < rows_.size(); i += step) {
        while (offsets[static_cast<std::size_t>(user) + 1] <= static_cast<std::int64_t>(i)) ++user;
        const std::int64_t item =
            data_.sequence(user)[i - static_cast<std::size_t>(offsets[static_cast<std::size_t>(user)])];
        const std::int64_t row = side == Side::Item ? item : side == Side::User ? user : rows_[i];
        seen.push_back({row, times_[static_cast<std::size_t>(rows_[i])]});
    }
    return seen;
}

void Design::make_columns() {
    const std::int64_t rows[] = {data_.items(), data_.users(), data_.rows()};
    for (const Side side : {Side::Item, Side::User, Side::Event}) {
        auto& sources = sources_[number(side)];
        sources = read_features(data_.file(), side, rows[number(side)]);
        const std::vector<Sighting> seen = sources.empty() ? std::vector<Sighting>() : sightings(side);
        for (const FeatureColumn& source : sources)
            columns_[number(side)].emplace_back(source, seen, now_, slots_each(sources.size()));
    }
    std::vector<double> clicks;
    for (std::int64_t u = 0; u < data_.users(); ++u)
        for (std::size_t at = 0; at < data_.training(u).size(); ++at)
            clicks.push_back(std::log1p(static_cast<double>(std::min(at, kLogisticReach))));
    std::tie(clicks_mean_, clicks_deviation_) = mean_and_deviation(clicks);
}

void Design::count_popularity(Part part) {
    const auto logs = [](const auto& counts) {
        std::vector<double> logs;
        for (const auto count : counts)  // of what nobody had yet, popularity says nothing
            logs.push_back(count > 0 ? std::log1p(static_cast<double>(count)) : NAN);
        return logs;
    };
    std::vector<Column> counted;
    counted.push_back(Column::of_numbers("(popularity)", logs(data_.counts(part))));
    counted.push_back(Column::of_numbers("(recent popularity)", logs(data_.recent_counts(part))));
    if (popularity_.empty()) {
        popularity_ = std::move(counted);
        return;
    }
    for (std::size_t i = 0; i < counted.size(); ++i)
        popularity_[i] = std::move(counted[i]);  // places point at them
    fill_entries();
}

/// Slots go after those there are; all but numbers meet items' own rows: of a number, its bins do.
void Design::place_query(const Column& column, Side side) {
    if (column.features() == 0) return;
    Place place{&column, side, static_cast<std::int32_t>(own_of_.size()),
                static_cast<std::int32_t>(slot_of_own_.size())};
    if (column.is_wide())
        place.wide = static_cast<std::int32_t>(
            std::exchange(layout_.wide_query, layout_.wide_query + column.features()));
    for (std::int32_t s = 0; s < column.slots(); ++s) {
        const bool meets = !column.is_number(s);
        own_of_.push_back(meets ? static_cast<std::int32_t>(slot_of_own_.size()) : -1);
        if (meets) slot_of_own_.push_back(place.first + s);
    }
    query_.push_back(place);
    has_moment_ |= side == Side::Event;
    has_user_times_ |= side == Side::User && column.is_time();
}

void Design::place_item(const Column& column) {
    if (column.features() == 0) return;
    Place place{&column, Side::Item, static_cast<std::int32_t>(layout_.columns)};
    if (column.is_wide())
        place.wide = static_cast<std::int32_t>(
            std::exchange(layout_.wide_item, layout_.wide_item + column.features()));
    layout_.columns += column.slots();
    item_.push_back(place);
    has_item_times_ |= column.is_time();
}

void Design::place_columns() {
    own_of_ = {0, -1};  // what always counts meets items as their quality; the clicks don't
    slot_of_own_ = {0};
    for (const Side side : {Side::User, Side::Event})
        for (const Column& column : columns_[number(side)]) place_query(column, side);
    for (const Column& column : columns_[number(Side::Item)]) place_item(column);
    for (const Column& column : popularity_) place_item(column);
    layout_.slots = std::ssize(own_of_);
    layout_.own = std::ssize(slot_of_own_);
    const auto fits = [&](std::int64_t rows, std::int64_t width) {
        return ids_ && rows * width <= kMostOfRows;
    };
    layout_.users = fits(data_.users(), layout_.width()) ? data_.users() : 0;
    layout_.items = fits(data_.items(), layout_.own) ? data_.items() : 0;
}

void Design::choose_crosses(const json& crosses) {
    all_crosses_ = crosses == "auto";
    if (!crosses.is_array()) return;
    const std::vector<std::string> queries = names_of(query_, kUser), items = names_of(item_, kItem);
    for (const json& pair : crosses) {
        const std::string left = pair[0], right = pair[1];
        const bool turned = contains(queries, right) && contains(items, left);  // either order will do
        const auto& [query, item] = turned ? std::pair(right, left) : std::pair(left, right);
        expect_name(query, queries, "users and context");
        expect_name(item, items, "items");
        crosses_.emplace_back(query, item);
    }
}

/// A name that several columns have is told apart by whose they are.
void Design::name_places() {
    constexpr const char* kSides[] = {" (items)", " (users)", " (context)"};
    std::map<std::string, int> times;
    for (const auto* places : {&query_, &item_})
        for (const Place& place : *places) ++times[place.column->name()];
    for (auto* places : {&query_, &item_})
        for (Place& place : *places)
            place.name =
                place.column->name() + (times[place.column->name()] > 1 ? kSides[number(place.side)] : "");
}

bool Design::is_crossed(const std::string& query, const std::string& item) const {
    return all_crosses_ || std::ranges::find(crosses_, std::pair(query, item)) != crosses_.end();
}

std::uint16_t Design::group(const std::string& name) {
    const auto number = std::ranges::find(groups_, name, &Group::name) - groups_.begin();
    if (number == std::ranges::ssize(groups_)) groups_.push_back({name});
    return static_cast<std::uint16_t>(number);
}

/// The groups of a query's slot with each column of an item, and with its 1; `query` is its column, `name` what that is
/// called, empty for the slot that is always 1.
std::vector<std::uint16_t> Design::groups_with_items(const std::string& query, const std::string& name) {
    std::vector<std::uint16_t> row;
    for (const Place& item : item_) {
        const bool off = !name.empty() && !is_crossed(query, item.column->name());
        const std::uint16_t of = off ? kOff : group(name.empty() ? item.name : name + " * " + item.name);
        row.insert(row.end(), static_cast<std::size_t>(item.column->slots()), of);
    }
    row.push_back(name.empty() ? kIntercept : group(name));
    return row;
}

/// The groups of an item's own row: of its quality, and of each slot that it meets.
std::vector<std::uint16_t> Design::groups_with_queries() {
    std::vector<std::uint16_t> row = {group(kItem)};
    for (const Place& query : query_) {
        const bool off = !is_crossed(query.column->name(), kItem);
        for (std::int32_t s = 0; s < query.column->slots(); ++s)
            if (own_of(query.first + s) >= 0) row.push_back(off ? kOff : group(query.name + " * " + kItem));
    }
    return row;
}

/// Numbers the groups in the order of the layout; a group is a pair of columns of which one may be the 1.
void Design::number_groups() {
    group_of_.reserve(static_cast<std::size_t>(layout_.total()));
    const auto add = [&](const std::vector<std::uint16_t>& row) {
        group_of_.insert(group_of_.end(), row.begin(), row.end());
    };
    const auto add_all = [&](const std::string& name, std::int32_t count) {
        group_of_.insert(group_of_.end(), static_cast<std::size_t>(count), group(name));
    };
    const auto off = [](std::int32_t count) { return std::vector(static_cast<std::size_t>(count), kOff); };
    (void)group("(intercept)");
    add(groups_with_items("", ""));
    add(groups_with_items("(clicks)", "(clicks)"));
    for (const Place& query : query_) {
        const auto row = groups_with_items(query.column->name(), query.name);
        for (std::int32_t s = 0; s < query.column->slots(); ++s) add(row);
    }
    if (layout_.users > 0) {
        const auto row = groups_with_items(kUser, kUser);
        for (std::int64_t u = 0; u < layout_.users; ++u) add(row);
    }
    if (layout_.items > 0) {
        const auto row = groups_with_queries();
        for (std::int64_t i = 0; i < layout_.items; ++i) add(row);
    }
    for (const char* how : {"clicked ", "just clicked "})
        for (const Place& item : item_)  // what was clicked has no age
            item.column->is_time() ? add(off(item.column->slots()))
                                   : add_all(how + item.name, item.column->slots());
    for (const auto* places : {&query_, &item_})
        for (const Place& place : *places)
            if (place.wide >= 0) add_all(place.name + " (each)", place.column->features());
    for (const std::uint16_t of : group_of_)
        if (of != kOff) ++groups_[of].size;
}

void Design::append(const Place& place, std::int64_t row, double time, std::vector<Entry>& slots,
                    std::vector<Entry>& wide) const {
    const std::size_t begin = slots.size();
    place.column->append(row, time, slots);
    for (std::size_t i = begin; i < slots.size(); ++i) {
        Entry& entry = slots[i];
        if (place.wide >= 0) wide.push_back({place.wide + entry.feature, entry.x});
        entry.feature = place.first + place.column->slot(entry.feature);
    }
}

void Design::fill_entries() {
    user_entries_ = {};
    for (std::int64_t u = 0; u < data_.users(); ++u) {
        for (const Place& place : query_)
            if (place.side == Side::User && !place.column->is_time())
                append(place, u, now_, user_entries_.slots, user_entries_.wide);
        user_entries_.end_row();
    }
    item_entries_ = {};
    for (std::int64_t i = 0; i < data_.items(); ++i) {
        for (const Place& place : item_)
            if (!place.column->is_time()) append(place, i, now_, item_entries_.slots, item_entries_.wide);
        item_entries_.end_row();
    }
}

void Design::append_user_times(std::int64_t user, double time, std::vector<Entry>& slots) const {
    std::vector<Entry> none;
    if (!has_user_times_) return;
    for (const Place& place : query_)
        if (place.side == Side::User && place.column->is_time()) append(place, user, time, slots, none);
}

void Design::append_item_times(std::int64_t item, double time, std::vector<Entry>& columns) const {
    std::vector<Entry> none;
    if (!has_item_times_) return;
    for (const Place& place : item_)
        if (place.column->is_time()) append(place, item, time, columns, none);
}

void Design::append_moment(std::int64_t row, std::vector<Entry>& slots, std::vector<Entry>& wide) const {
    if (!has_moment_) return;
    const double time = times_[static_cast<std::size_t>(row)];
    for (const Place& place : query_)
        if (place.side == Side::Event) append(place, row, time, slots, wide);
}

std::vector<std::string> Design::warnings() const {
    std::vector<std::string> said;
    if (ids_ && layout_.users == 0)
        said.push_back(
            "there are too many users for weights of their own: their features and clicks stand for them");
    if (ids_ && layout_.items == 0)
        said.push_back("there are too many items for weights of their own: their features stand for them");
    for (const Side side : {Side::Item, Side::User, Side::Event})
        for (const Column& column : columns_[number(side)]) {
            if (column.features() == 0)
                said.push_back("column \"" + column.name() + "\" is the same everywhere and was left out");
            if (column.is_wide())
                said.push_back("column \"" + column.name() + "\" has many values: " +
                               (column.is_hashed()
                                    ? "the " + std::to_string(kMostValues) +
                                          " most frequent count by themselves, and the rest share " +
                                          std::to_string(kHashed) + " features"
                                    : std::to_string(column.features()) + " count by themselves") +
                               "; in crosses those beyond the " + std::to_string(column.slots() - 1) +
                               " most frequent count as one");
        }
    return said;
}

}  // namespace seqrec::trainer
