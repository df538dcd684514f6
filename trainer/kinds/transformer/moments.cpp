#include "kinds/transformer/moments.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"
#include "core/kinds/transformer_context.hpp"
#include "data/features.hpp"
#include "kinds/shared/columns.hpp"
#include "kinds/shared/texts.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr double kEarliest = 1e8, kLatest = 4.1e9;  // 1973 and 2100
constexpr double kClockShare = 0.99;                // of the times that must lie between the two
constexpr double kSilentInputs = 0.5;               // share of sequences of whose inputs nothing is said
constexpr double kSilentQuestions = 0.3, kDropped = 0.2;

std::span<const double> times_of(const Dataset& data) {
    return data.file().get<double>("event.time", {data.rows()});
}

double latest_of(std::span<const double> times) {
    return times.empty() ? 0 : *std::ranges::max_element(times);
}

std::vector<Sighting> sightings_of(const FeatureColumn& source, std::span<const double> times) {
    std::vector<Sighting> sightings;
    if (source.type != FeatureColumn::Type::Time) return sightings;
    for (std::size_t row = 0; row < times.size(); ++row)
        sightings.push_back({static_cast<std::int64_t>(row), times[row]});
    return sightings;
}

/// Names of the rows of one column, `values` being the texts of all of them.
void name_rows(const QueryColumn& column, std::span<const std::string> values,
               std::vector<std::string>& names) {
    const std::string prefix = column.name + '\n' + column.type + '\n';
    for (std::int32_t v = 0; v < column.count; ++v)
        names[static_cast<std::size_t>(column.first + v)] =
            prefix + "=" + values[static_cast<std::size_t>(column.first + v)];
    if (column.number >= 0) names[static_cast<std::size_t>(column.number)] = prefix + "number";
    if (column.missing >= 0) names[static_cast<std::size_t>(column.missing)] = prefix + "missing";
}

/// Which columns are left unsaid this time.
class Silence {
  public:
    /// `never`: everything is said.
    Silence(const Moments& moments, std::uint32_t seed, bool never)
        : moments_(moments),
          never_(never),
          random_(seed ^ 0xC07E87ULL),
          dropped_(static_cast<std::size_t>(moments.columns())) {}

    void draw(double all) {
        if (never_) return;
        all_ = random_.uniform() < all;
        for (std::size_t c = 0; c < dropped_.size(); ++c) dropped_[c] = random_.uniform() < kDropped;
    }
    /// What is said of an interaction, as a token's terms; nothing of one that nobody had (place -1).
    void say(std::int64_t place, std::int64_t before, Terms& terms) {
        features_.clear();
        if (!all_ && place >= 0) moments_.append(place, before, features_);
        for (const QueryFeature& feature : features_)
            if (!dropped_[static_cast<std::size_t>(moments_.column_of(feature.row))])
                terms.add(0, feature.row, feature.x);
        terms.end_token();
    }

  private:
    const Moments& moments_;
    const bool never_;
    Random random_;
    std::vector<bool> dropped_;
    bool all_ = false;
    std::vector<QueryFeature> features_;
};

}  // namespace

const char* ContextUse::name() const {
    if (time) return columns ? "all" : "time";
    return columns ? "columns" : "none";
}

ContextUse use_named(const std::string& name) {
    return {name == "time" || name == "all", name == "columns" || name == "all"};
}

bool is_clock(const Dataset& data) {
    const std::span<const double> times = times_of(data);
    const auto in_range =
        std::ranges::count_if(times, [](double t) { return t >= kEarliest && t <= kLatest; });
    const bool differ = std::ranges::any_of(times, [&](double t) { return t != times.front(); });
    return differ && static_cast<double>(in_range) >= kClockShare * static_cast<double>(times.size());
}

ContextUse context_of(const Dataset& data) {
    ContextUse use{is_clock(data), false};
    const std::span<const double> times = times_of(data);
    for (const FeatureColumn& source : read_features(data.file(), Side::Event, data.rows()))
        use.columns =
            use.columns || Column(source, sightings_of(source, times), latest_of(times)).features() > 0;
    return use;
}

Moments::Moments(const Dataset& data, ContextUse use) : use_(use) {
    if (!use.any()) return;
    const std::vector<std::int64_t> rows = data.rows_of_sequences();
    const std::span<const double> times = times_of(data);
    if (use.time) {
        for (const QueryColumn& column : time_columns(0)) {
            std::vector<std::string> values;
            for (std::int32_t v = 0; v < column.count; ++v) values.push_back(std::to_string(v));
            add_column(column, std::move(values));
        }
        for (const std::int64_t row : rows) times_.push_back(times[static_cast<std::size_t>(row)]);
    }
    if (use.columns) add_columns(data, rows);
}

void Moments::add_column(const QueryColumn& column, std::vector<std::string> values) {
    column_of_.insert(column_of_.end(), values.size(), static_cast<std::int32_t>(described_.size()));
    std::ranges::move(values, std::back_inserter(values_));
    names_.resize(values_.size());
    name_rows(column, values_, names_);
    described_.push_back(column);
}

void Moments::add_columns(const Dataset& data, const std::vector<std::int64_t>& rows) {
    const std::vector<FeatureColumn> sources = read_features(data.file(), Side::Event, data.rows());
    const std::span<const double> times = times_of(data);
    std::vector<Column> columns;
    std::vector<std::int32_t> firsts;
    for (const FeatureColumn& source : sources) {
        Column column(source, sightings_of(source, times), latest_of(times));
        if (column.features() == 0) continue;  // all rows are alike
        std::vector<std::string> values;
        for (std::int32_t f = 0; f < column.features(); ++f) values.push_back(column.value(f));
        firsts.push_back(static_cast<std::int32_t>(values_.size()));
        add_column(column.described(firsts.back()), std::move(values));
        columns.push_back(std::move(column));
    }
    std::vector<Entry> entries;
    offsets_.push_back(0);
    for (const std::int64_t row : rows) {
        for (std::size_t c = 0; c < columns.size(); ++c) {
            entries.clear();
            columns[c].append(row, times[static_cast<std::size_t>(row)], entries);
            for (const Entry& entry : entries) features_.push_back({firsts[c] + entry.feature, entry.x});
        }
        offsets_.push_back(static_cast<std::int64_t>(features_.size()));
    }
}

void Moments::append(std::int64_t place, std::int64_t before, std::vector<QueryFeature>& to) const {
    const auto at = static_cast<std::size_t>(place);
    if (use_.time) {
        const auto add = [&](std::size_t column, double number) {
            to.push_back({described_[column].first + bin_of(described_[column].edges, number), 1});
        };
        add(0, hour_of(times_[at]));
        add(1, weekday_of(times_[at]));
        if (before >= 0) add(2, times_[at] - times_[static_cast<std::size_t>(before)]);
    }
    if (!use_.columns) return;
    to.insert(to.end(), features_.begin() + offsets_[at], features_.begin() + offsets_[at + 1]);
}

json Moments::config() const {
    json columns = json::array();
    for (const QueryColumn& column : described_) columns.push_back(describe_column(column));
    return {{"context_columns", columns}, {"context_rows", rows()}};
}

std::vector<NamedTensor> Moments::tensors() const {
    Texts texts;
    for (const std::string& value : values_) texts.add(value);
    return {{"context.value.offsets", texts.offsets()}, {"context.value.bytes", texts.bytes()}};
}

std::vector<std::string> moment_names(const SafetensorsFile& file) try {
    const json config = json::parse(file.meta("config"));
    std::vector<std::string> values, names;
    if (!MomentContext::is_in(config)) return names;
    const MomentContext checked(file, config);
    const auto texts = file.get<std::int64_t>("context.value.offsets", {-1});
    const auto bytes = file.get<std::uint8_t>("context.value.bytes", {-1});
    for (std::size_t row = 0; row + 1 < texts.size(); ++row) {
        if (texts[row] < 0 || texts[row + 1] < texts[row] || texts[row + 1] > std::ssize(bytes))
            corrupted_model("values of context leave their tensor");
        values.emplace_back(reinterpret_cast<const char*>(bytes.data()) + texts[row],
                            static_cast<std::size_t>(texts[row + 1] - texts[row]));
    }
    names.resize(values.size());
    for (const json& column : config.at("context_columns")) name_rows(read_column(column), values, names);
    return names;
} catch (const json::exception& error) {
    corrupted_model(error.what());
}

std::shared_ptr<const Terms> input_terms(const Moments& moments, const Packed& batch, bool all_said) {
    auto terms = std::make_shared<Terms>();
    Silence silence(moments, batch.seed, all_said);
    for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
        silence.draw(kSilentInputs);
        for (std::int64_t t = batch.offsets[s]; t < batch.offsets[s + 1]; ++t) {
            const auto at = static_cast<std::size_t>(t);
            silence.say(batch.places[at], t > batch.offsets[s] ? batch.places[at - 1] : -1, *terms);
        }
    }
    return terms;
}

std::shared_ptr<const Terms> question_terms(const Moments& moments, const Packed& batch, bool all_said) {
    auto terms = std::make_shared<Terms>();
    Silence silence(moments, ~batch.seed, all_said);
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
        const std::size_t input = batch.trained.empty() ? i : static_cast<std::size_t>(batch.trained[i]);
        silence.draw(kSilentQuestions);
        silence.say(batch.label_places[i], batch.places[input], *terms);
    }
    return terms;
}

std::vector<float> label_weights(const Dataset& data) {
    const std::span<const float> by_row = read_weights(data.file(), data.rows());
    std::vector<float> weights;
    if (by_row.empty()) return weights;
    for (const std::int64_t row : data.rows_of_sequences())
        weights.push_back(by_row[static_cast<std::size_t>(row)]);
    const auto counts = [](float weight) { return weight > 0; };
    if (std::ranges::none_of(weights, counts))
        throw Error(sqlstate::kNotEnoughData, "no row to learn from has a weight above 0",
                    "Check the option event_weights: an event that weighs 0 or less does not count.");
    const bool alike = std::ranges::all_of(weights, [&](float weight) { return weight == weights.front(); });
    if (alike) weights.clear();
    return weights;
}

void weigh_labels(Packed& batch, const std::vector<float>& weights) {
    if (weights.empty()) return;
    if (batch.trained.empty()) {
        batch.trained.resize(batch.labels.size());
        std::iota(batch.trained.begin(), batch.trained.end(), 0);
    }
    std::size_t kept = 0;
    batch.label_weights.clear();
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
        const std::int64_t place = batch.label_places[i];
        const float weight = place < 0 ? 1 : weights[static_cast<std::size_t>(place)];
        if (!(weight > 0)) continue;
        batch.label_weights.push_back(weight);
        batch.labels[kept] = batch.labels[i];
        batch.label_places[kept] = batch.label_places[i];
        batch.trained[kept++] = batch.trained[i];
    }
    batch.labels.resize(kept);
    batch.label_places.resize(kept);
    batch.trained.resize(kept);
}

}  // namespace seqrec::trainer
