#include "jobs/dataset_export.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/files/dataset_writer.hpp"

#include "pg/boundary.hpp"
#include "tables/row_receiver.hpp"
#include "tables/source_rights.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

namespace seqrec {
namespace {

constexpr double kSecondsToUnixEpoch =
    static_cast<double>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
constexpr std::int64_t kRowsBetweenReports = 1 << 16;

struct Exporter {
    RatingsTable ratings;
    DatasetWriter writer;
    std::string current_text;        // what current_user points to when ids are text
    std::optional<Id> current_user;  // none before the first row
    std::int64_t skipped = 0;
    std::int64_t rows = 0;
    void (*on_progress)(std::int64_t rows);
};

void begin_user(Exporter& exporter, const Id& user) {
    exporter.writer.begin_user(user);
    exporter.current_user = user;
    if (const auto* text = std::get_if<std::string_view>(&user))
        exporter.current_user = std::string_view(exporter.current_text = *text);
}

/// One row: PostgreSQL code fetches, then C++ stores.
void export_row(TupleTableSlot* slot, void* state) {
    auto* exporter = static_cast<Exporter*>(state);
    if (++exporter->rows % kRowsBetweenReports == 0) exporter->on_progress(exporter->rows);
    if (slot->tts_isnull[0] || slot->tts_isnull[1] || slot->tts_isnull[2]) {
        ++exporter->skipped;
        return;
    }
    const double time = time_seconds(exporter->ratings.time, slot->tts_values[2]);
    if (!std::isfinite(time)) {
        ++exporter->skipped;
        return;
    }
    const Id user = id_of(exporter->ratings.user, slot->tts_values[0]);
    const Id item = id_of(exporter->ratings.item, slot->tts_values[1]);
    guarded([&] {
        if (exporter->current_user != user) begin_user(*exporter, user);
        exporter->writer.interaction(item, time);
    });
}

}  // namespace

Id id_of(const Column& column, Datum value) {
    switch (column.form) {
        case ColumnForm::Int2:
            return std::int64_t{DatumGetInt16(value)};
        case ColumnForm::Int4:
            return std::int64_t{DatumGetInt32(value)};
        case ColumnForm::Int8:
            return std::int64_t{DatumGetInt64(value)};
        case ColumnForm::Uuid: {
            Uuid uuid;
            memcpy(uuid.data(), DatumGetUUIDP(value)->data, uuid.size());
            return uuid;
        }
        default: {
            struct varlena* bytes = PG_DETOAST_DATUM_PACKED(value);
            return std::string_view(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
        }
    }
}

// A time that is not finite does not count; history_query() in ratings_table.cpp says the same in SQL.
double time_seconds(const Column& column, Datum value) {
    switch (column.form) {
        case ColumnForm::Int2:
            return DatumGetInt16(value);
        case ColumnForm::Int4:
            return DatumGetInt32(value);
        case ColumnForm::Int8:
            return static_cast<double>(DatumGetInt64(value));
        case ColumnForm::Timestamp: {
            const Timestamp time = DatumGetTimestamp(value);
            if (TIMESTAMP_NOT_FINITE(time)) return INFINITY;
            return static_cast<double>(time) / USECS_PER_SEC + kSecondsToUnixEpoch;
        }
        case ColumnForm::Date: {
            const DateADT date = DatumGetDateADT(value);
            if (DATE_NOT_FINITE(date)) return INFINITY;
            return static_cast<double>(date) * SECS_PER_DAY + kSecondsToUnixEpoch;
        }
        case ColumnForm::Float4:
            return DatumGetFloat4(value);
        default:
            return DatumGetFloat8(value);
    }
}

ExportCounts export_dataset(const Job& job, const char* folder, void (*on_progress)(std::int64_t rows)) {
    const auto start = std::chrono::steady_clock::now();
    RatingsTable ratings = parse_ratings(job.source);
    const Reading reading = plan_reading(ratings, job.owner);
    const char* query = export_query(ratings);
    const char *source = job.source, *options = job.options;
    const char* uuid = uuid_text(job.key.uuid);
    const RoleScope scope = enter_reading(reading);
    SPI_connect();
    SPIPlanPtr plan = prepare_reading(reading, query, 0, nullptr);
    const ExportCounts counts = guarded([&] {
        Exporter exporter{ratings, DatasetWriter(folder), {}, {}, 0, 0, on_progress};
        exporter.writer.set_metadata("job", uuid);
        exporter.writer.set_metadata("source", to_utf8(source));
        exporter.writer.set_metadata("options", to_utf8(options));
        postgres([&] { for_each_row(plan, nullptr, export_row, &exporter); });
        exporter.writer.write(std::string(folder) + "/dataset.safetensors");
        const DatasetWriter::Counts& written = exporter.writer.counts();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        return ExportCounts{written.users, written.items, written.interactions, exporter.skipped,
                            taken.count()};
    });
    SPI_finish();
    leave(scope);
    return counts;
}

char* export_metrics(const ExportCounts& counts) {
    return guarded([&] {
        const auto rows = static_cast<double>(counts.interactions + counts.skipped);
        const nlohmann::json value = {{"rows", counts.interactions},
                                      {"skipped_rows", counts.skipped},
                                      {"export_seconds", counts.seconds},
                                      {"export_rows_per_s", rows / std::max(counts.seconds, 1e-6)}};
        return palloc_copy(json_text(value));
    });
}

}  // namespace seqrec
