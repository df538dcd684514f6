#include "jobs/dataset_export.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/files/dataset_writer.hpp"
#include "core/files/id_index.hpp"

#include "jobs/side_export.hpp"
#include "pg/boundary.hpp"
#include "tables/row_receiver.hpp"
#include "tables/source_rights.hpp"

namespace seqrec {
namespace {

constexpr std::int64_t kRowsBetweenReports = 1 << 16;
constexpr std::size_t kNamedEvents = 20;  // of those that are no mistake, in the hint of one that is

/// What became of the rows of a table beside the ratings.
struct SideRows {
    std::int64_t rows = 0, again = 0, without_id = 0, long_ids = 0;
    std::int64_t cold = 0, missing = 0;  // ids without interactions; ids without a row
    std::vector<std::int64_t> odd;       // by column
};

/// What became of the texts and vectors of items.
struct ContentRows {
    std::int64_t cut = 0, odd = 0, bad = 0, vectors = 0;
};

/// The model that a training starts from, whose items stay in it.
struct KeptItems {
    SafetensorsFile file;
    IdIndex items, users;
    bool asked;                    // by keep_items; else where most of its users are gone
    std::int64_t still_there = 0;  // of its users
    std::int64_t added = 0;

    KeptItems(const char* path, bool asked)
        : file(SafetensorsFile::open(path)), items(file, "item"), users(file, "user"), asked(asked) {}
    bool are_wanted() const { return asked || 2 * still_there < users.size(); }
};

struct Exporter {
    const TrainingSource& source;
    DatasetWriter writer;
    std::map<std::string, float, std::less<>> weights;
    std::map<std::string, std::int64_t, std::less<>> excluded;  // rows of each event of exclude_events
    std::set<std::string, std::less<>> others;                  // some of the events that it does not list
    std::string current_text;        // what current_user points to when ids are text
    std::optional<Id> current_user;  // none before the first row
    std::int64_t skipped = 0, rows = 0;
    std::int64_t unweighted = 0, odd_labels = 0;
    std::vector<std::int64_t> odd;  // by column of context
    SideRows sides[2];              // by Side
    ContentRows content;
    void (*on_progress)(std::int64_t rows);
    std::optional<KeptItems> kept{};
};

/// One relation's rows on their way: `side` for those beside the ratings.
struct RowsOf {
    Exporter* exporter;
    const SideTable* table;
    Side side;
};

void begin_user(Exporter& exporter, const Id& user) {
    exporter.writer.begin_user(user);
    if (exporter.kept) exporter.kept->still_there += exporter.kept->users.find(id_text(user)) >= 0;
    exporter.current_user = user;
    if (const auto* text = std::get_if<std::string_view>(&user))
        exporter.current_user = std::string_view(exporter.current_text = *text);
}

void report_rows(Exporter& exporter) {
    if (++exporter.rows % kRowsBetweenReports == 0) exporter.on_progress(exporter.rows);
}

/// A label as the dataset has it; `odd` counts what is there and no label.
float label_of(const FeatureValue& value, std::int64_t& odd) {
    if (value.count == 1) return value.texts[0] == "true" ? 1 : 0;
    const bool fits = std::abs(value.number) <= std::numeric_limits<float>::max();
    odd += value.is_odd || (!fits && !std::isnan(value.number));
    return fits ? static_cast<float>(value.number) : std::numeric_limits<float>::quiet_NaN();
}

/// Whether an event is one of exclude_events; counts it.
bool is_excluded(Exporter& exporter, std::string_view event) {
    const auto found = exporter.excluded.find(event);
    if (found != exporter.excluded.end()) return ++found->second > 0;
    if (exporter.others.size() < kNamedEvents && !exporter.others.contains(event))
        exporter.others.emplace(event);
    return false;
}

/// Who misspells an event would have what people said no to recommended to them.
void check_excluded(const Exporter& exporter, bool updates) {
    if (updates) return;  // a day on which nobody said no is no mistake
    std::string known;
    for (const std::string& event : exporter.others) known += (known.empty() ? "\"" : ", \"") + event + "\"";
    for (const auto& [event, rows] : exporter.excluded)
        if (rows == 0)
            throw Error(sqlstate::kInvalidParameter,
                        "option \"exclude_events\" lists \"" + event + "\", and no row is of that event",
                        known.empty() ? "Leave it out." : "Events of other rows: " + known + ".");
}

/// What is known of the interaction beside user, item and time. C++.
void put_event(Exporter& exporter, const FeatureValue* values) {
    const EventColumns& further = exporter.source.further;
    put_row(exporter.writer.event_columns(), values, exporter.odd);
    if (further.label >= 0) exporter.writer.label(label_of(values[further.label], exporter.odd_labels));
    if (further.event < 0) return;
    const FeatureValue& event = values[further.event];
    if (further.excludes_events)
        exporter.writer.excluded(event.count == 1 && is_excluded(exporter, event.texts[0]));
    if (!further.weighs_events) return;
    const auto weight = event.count == 1 ? exporter.weights.find(event.texts[0]) : exporter.weights.end();
    exporter.unweighted += weight == exporter.weights.end();
    exporter.writer.weight(weight == exporter.weights.end() ? 1 : weight->second);
}

/// One row: PostgreSQL code fetches, then C++ stores.
void export_row(TupleTableSlot* slot, void* state) {
    auto* exporter = static_cast<Exporter*>(state);
    report_rows(*exporter);
    if (slot->tts_isnull[0] || slot->tts_isnull[1] || slot->tts_isnull[2]) {
        ++exporter->skipped;
        return;
    }
    const RatingsTable& ratings = exporter->source.ratings;
    const double time = time_seconds(ratings.time, slot->tts_values[2]);
    if (!std::isfinite(time)) {
        ++exporter->skipped;
        return;
    }
    const EventColumns& further = exporter->source.further;
    const Id user = id_of(ratings.user, slot->tts_values[0]);
    const Id item = id_of(ratings.item, slot->tts_values[1]);
    const FeatureValue* values =
        further.count > 0 ? read_features(further.columns, further.count, slot, 3) : nullptr;
    guarded([&] {
        if (exporter->current_user != user) begin_user(*exporter, user);
        exporter->writer.interaction(item, time);
        if (values) put_event(*exporter, values);
    });
}

bool is_long(const Id& id) {
    const auto* text = std::get_if<std::string_view>(&id);
    return text && text->size() > kMostIdBytes;
}

[[noreturn]] void refuse_other_width(const Id& item, std::size_t width, std::size_t first) {
    throw Error(
        sqlstate::kInvalidParameter,
        "the vector of item \"" + id_text(item) + "\" has " + std::to_string(width) +
            " numbers, those before it " + std::to_string(first),
        "All vectors of item_vector must be of one length. Correct the row, or set its vector to NULL.");
}

/// What the row that was begun says of its item. C++.
void put_content(Exporter& exporter, const Id& item, const SideTable& table, const ItemContent& content) {
    if (table.texts.count > 0) exporter.writer.item_text(content.text);
    exporter.content.cut += content.is_cut;
    exporter.content.odd += content.is_odd;
    exporter.content.bad += content.is_bad;
    if (!content.vector) return;
    const auto width = static_cast<std::size_t>(content.width);
    if (!exporter.writer.item_vector({content.vector, width}))
        refuse_other_width(item, width, exporter.writer.vector_width());
    ++exporter.content.vectors;
}

/// One row of a table beside the ratings. The first one of an id counts.
void export_side_row(TupleTableSlot* slot, void* state) {
    const RowsOf& of = *static_cast<RowsOf*>(state);
    SideRows& counts = of.exporter->sides[static_cast<int>(of.side)];
    report_rows(*of.exporter);
    ++counts.rows;
    if (slot->tts_isnull[0]) {
        ++counts.without_id;
        return;
    }
    const Id id = id_of(of.table->id, slot->tts_values[0]);
    if (is_long(id)) {
        ++counts.long_ids;
        return;
    }
    const SideColumns& features = of.table->features;
    const FeatureValue* values = read_features(features.columns, features.count, slot, 1);
    const ItemContent content = read_content(*of.table, slot, 1 + features.count);
    guarded([&] {
        DatasetWriter& writer = of.exporter->writer;
        if (!writer.begin_row(of.side, id)) {
            ++counts.again;
            return;
        }
        put_row(writer.table(of.side).columns(), values, counts.odd);
        put_content(*of.exporter, id, *of.table, content);
    });
}

/// How a relation is read.
struct Way {
    Reading reading;
    char* query;
};

Way way_to(TrainingSource& source, Oid reader) {
    const ColumnList columns = columns_of(source);
    const Reading reading =
        plan_reading(source.ratings, {columns.columns, static_cast<std::size_t>(columns.count)},
                     casts_ids(source.ratings), reader);
    return {reading,
            export_query(source.ratings, feature_list(source.further.columns, source.further.count))};
}

Way way_to(SideTable& table, Oid reader) {
    const ColumnList columns = columns_of(table);
    const Reading reading =
        plan_reading(table, {columns.columns, static_cast<std::size_t>(columns.count)}, true, reader);
    return {reading, side_query(table)};
}

void read_rows(const Way& way, RowFunction row, void* state) {
    const RoleScope scope = enter_reading(way.reading);
    SPI_connect();
    for_each_row(prepare_reading(way.reading, way.query, 0, nullptr), nullptr, row, state);
    SPI_finish();
    leave(scope);
}

void check_way(const Way& way) {
    const RoleScope scope = enter_reading(way.reading);
    SPI_connect();
    (void)prepare_reading(way.reading, way.query, 0, nullptr);
    SPI_finish();
    leave(scope);
}

/// Reads a table beside the ratings, if there is one. C++.
void read_side(Exporter& exporter, Side side, const SideTable* table, const Way& way) {
    if (!table) return;
    const std::int64_t before = exporter.writer.count(side);
    RowsOf rows{&exporter, table, side};
    postgres([&] { read_rows(way, export_side_row, &rows); });
    SideRows& counts = exporter.sides[static_cast<int>(side)];
    counts.cold = exporter.writer.count(side) - before;
    counts.missing = exporter.writer.count(side) - exporter.writer.table(side).rows();
}

/// Adds what the earlier model knows and the rows no longer tell. C++.
void keep_items(Exporter& exporter) {
    if (!exporter.kept || !exporter.kept->are_wanted()) return;
    KeptItems& kept = *exporter.kept;
    const std::int64_t before = exporter.writer.count(Side::Item);
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(kept.items.size()); ++i)
        exporter.writer.add_item(kept.items.id(i));
    kept.added = exporter.writer.count(Side::Item) - before;
}

void announce(Exporter& exporter, Side side, const SideTable* table) {
    if (!table) return;
    exporter.writer.add_table(side, specs_of(table->features.columns, table->features.count));
    exporter.sides[static_cast<int>(side)].odd.resize(static_cast<std::size_t>(table->features.count));
    if (side == Side::Item) exporter.writer.add_item_content(table->texts.count > 0, table->has_vector);
}

void announce_all(Exporter& exporter) {
    const TrainingSource& source = exporter.source;
    const EventColumns& further = source.further;
    exporter.writer.add_event_columns(specs_of(further.columns, further.context), further.label >= 0,
                                      further.weighs_events, further.excludes_events);
    exporter.odd.resize(static_cast<std::size_t>(further.context));
    announce(exporter, Side::Item, source.items);
    announce(exporter, Side::User, source.users);
}

// --- what is told of it ---

using Warnings = std::vector<std::string>;

void warn(Warnings& warnings, std::int64_t count, const std::string& before, const std::string& after) {
    if (count > 0) warnings.push_back(before + std::to_string(count) + after);
}

void warn_of_odd(Warnings& warnings, const char* what, const std::vector<FeatureColumn>& columns,
                 const std::vector<std::int64_t>& odd) {
    for (std::size_t c = 0; c < columns.size(); ++c)
        warn(warnings, odd[c], std::string(what) + ": ",
             " values of column \"" + columns[c].spec().name + "\" were NaN, infinite or longer than " +
                 std::to_string(kMostCategoryBytes) + " bytes, and count as missing");
}

void warn_of_side(Warnings& warnings, Exporter& exporter, Side side, const SideTable* table) {
    if (!table) return;
    const bool of_items = side == Side::Item;
    const char* what = of_items ? "items" : "users";
    const std::string start = std::string(what) + ": ";
    const SideRows& counts = exporter.sides[static_cast<int>(side)];
    warn(warnings, counts.again, start, " rows with an id that came before were skipped");
    warn(warnings, counts.without_id, start, " rows without an id were skipped");
    warn(warnings, counts.long_ids, start,
         " rows with an id of more than " + std::to_string(kMostIdBytes) + " bytes were skipped");
    const std::string of_ratings = of_items ? " items of the ratings" : " users of the ratings";
    if (counts.missing > 0 && counts.missing == exporter.writer.count(side) - counts.cold)
        warnings.push_back(start + "none of the " + std::to_string(counts.missing) + of_ratings +
                           " has a row; are ids spelled alike in both tables?");
    else
        warn(warnings, counts.missing, start, of_ratings + " have no row");
    warn_of_odd(warnings, what, exporter.writer.table(side).columns(), counts.odd);
    if (table->features.left_out)
        warnings.push_back(start + "columns of types that can't be used were left out: " +
                           to_utf8(table->features.left_out));
}

void warn_of_content(Warnings& warnings, Exporter& exporter, const SideTable* table) {
    if (!table) return;
    const ContentRows& counts = exporter.content;
    warn(warnings, counts.cut,
         "items: ", " texts were longer than " + std::to_string(kMostItemTextBytes) + " bytes, and were cut");
    warn(warnings, counts.odd, "items: ", " rows have text that is not valid UTF-8, which was left out");
    warn(
        warnings, counts.bad, "items: ",
        " vectors were empty, of several dimensions, or held NULL, NaN or an infinity, and count as missing");
    if (table->has_vector && counts.vectors == 0) warnings.push_back("items: none has a vector");
}

Warnings warnings_of(Exporter& exporter) {
    Warnings warnings;
    warn_of_odd(warnings, "ratings", exporter.writer.event_columns(), exporter.odd);
    warn(warnings, exporter.odd_labels,
         "ratings: ", " labels were NaN, infinite or too large, and count as missing");
    warn(warnings, exporter.unweighted, "ratings: ", " rows are of no event in event_weights, and weigh 1");
    for (const auto& [event, rows] : exporter.excluded)
        if (rows == 0) warnings.push_back("ratings: no row is of event \"" + event + "\" of exclude_events");
    if (exporter.kept)
        warn(warnings, exporter.kept->added, "",
             " items of the model to start from have no row any more and stay in it (keep_items)");
    warn_of_side(warnings, exporter, Side::Item, exporter.source.items);
    warn_of_content(warnings, exporter, exporter.source.items);
    warn_of_side(warnings, exporter, Side::User, exporter.source.users);
    return warnings;
}

nlohmann::json side_metrics(const Exporter& exporter) {
    nlohmann::json metrics = nlohmann::json::object();
    const auto add = [&](const SideTable* table, Side side, const std::string& one, const std::string& many) {
        if (!table) return;
        const SideRows& counts = exporter.sides[static_cast<int>(side)];
        metrics[one + "_rows"] = counts.rows;
        metrics[one + "_rows_skipped"] = counts.again + counts.without_id + counts.long_ids;
        metrics[many + "_without_interactions"] = counts.cold;
        metrics[many + "_without_row"] = counts.missing;
    };
    add(exporter.source.items, Side::Item, "item", "items");
    add(exporter.source.users, Side::User, "user", "users");
    if (exporter.source.further.weighs_events) metrics["unweighted_rows"] = exporter.unweighted;
    return metrics;
}

/// Texts as a null-terminated array in the caller's memory.
char** copy_warnings(const Warnings& warnings) {
    auto** texts =
        postgres([&] { return static_cast<char**>(palloc0(sizeof(char*) * (warnings.size() + 1))); });
    for (std::size_t i = 0; i < warnings.size(); ++i) texts[i] = from_utf8(warnings[i]);
    return texts;
}

std::map<std::string, float, std::less<>> weights_by_event(const TrainingOptions& options) {
    std::map<std::string, float, std::less<>> weights;
    for (int i = 0; i < options.weight_count; ++i)
        weights[options.weights[i].event] = options.weights[i].weight;
    return weights;
}

std::map<std::string, std::int64_t, std::less<>> rows_by_excluded_event(const TrainingOptions& options) {
    std::map<std::string, std::int64_t, std::less<>> events;
    for (int i = 0; i < options.excluded_count; ++i) events[options.excluded[i]] = 0;
    return events;
}

/// All that a job reads: of a refresh the table of items alone, whatever became of the ratings.
TrainingSource source_of(const Job& job) {
    if (!job.refreshes) return parse_training(job.source, job.options);
    TrainingSource source{};
    source.further.label = source.further.event = -1;
    source.items = parse_items(job.source, job.options);
    return source;
}

/// Without interactions no item has any: what that would say of items goes without saying.
nlohmann::json refresh_metrics(const Exporter& exporter) {
    nlohmann::json metrics = side_metrics(exporter);
    metrics.erase("items_without_interactions");
    metrics.erase("items_without_row");
    return metrics;
}

}  // namespace

void check_items(SideTable& items, Oid reader) { check_way(way_to(items, reader)); }

void check_training(TrainingSource& source, Oid reader) {
    check_way(way_to(source, reader));
    for (SideTable* table : {source.items, source.users})
        if (table) check_way(way_to(*table, reader));
}

ExportCounts export_dataset(const Job& job, const char* folder, const char* start_from,
                            void (*on_progress)(std::int64_t rows)) {
    const auto start = std::chrono::steady_clock::now();
    TrainingSource source = source_of(job);
    const Way ratings = job.refreshes ? Way{} : way_to(source, job.owner);
    const Way items = source.items ? way_to(*source.items, job.owner) : Way{};
    const Way users = source.users ? way_to(*source.users, job.owner) : Way{};
    const TrainingOptions& options = job.options;
    const char* uuid = uuid_text(job.key.uuid);
    return guarded([&] {
        Exporter exporter{source,
                          DatasetWriter(folder),
                          weights_by_event(options),
                          job.refreshes ? decltype(Exporter::excluded){} : rows_by_excluded_event(options),
                          {},
                          {},
                          {},
                          0,
                          0,
                          0,
                          0,
                          {},
                          {},
                          {},
                          on_progress};
        if (start_from && !source.items)
            exporter.kept.emplace(start_from, options.keep_items == KeepItems::Yes);
        exporter.writer.set_metadata("job", uuid);
        exporter.writer.set_metadata("source", to_utf8(job.source));
        exporter.writer.set_metadata("options", to_utf8(options.json));
        announce_all(exporter);
        if (!job.refreshes) postgres([&] { read_rows(ratings, export_row, &exporter); });
        check_excluded(exporter, options.init_from != nullptr);
        read_side(exporter, Side::Item, source.items, items);
        read_side(exporter, Side::User, source.users, users);
        keep_items(exporter);
        exporter.writer.write(std::string(folder) + "/dataset.safetensors");
        const DatasetWriter::Counts& written = exporter.writer.counts();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        return ExportCounts{
            written.users,
            written.items,
            written.interactions,
            exporter.skipped,
            taken.count(),
            palloc_copy(json_text(job.refreshes ? refresh_metrics(exporter) : side_metrics(exporter))),
            copy_warnings(warnings_of(exporter))};
    });
}

char* export_metrics(const ExportCounts& counts, bool of_refresh) {
    return guarded([&] {
        const auto rows = static_cast<double>(counts.interactions + counts.skipped);
        nlohmann::json value = nlohmann::json::parse(counts.side_metrics);
        value["export_seconds"] = counts.seconds;
        if (of_refresh) return palloc_copy(json_text(value));
        value["rows"] = counts.interactions;
        value["skipped_rows"] = counts.skipped;
        value["export_rows_per_s"] = rows / std::max(counts.seconds, 1e-6);
        return palloc_copy(json_text(value));
    });
}

}  // namespace seqrec
