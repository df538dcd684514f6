#include "export.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/dataset.hpp"

#include "boundary.hpp"
#include "row_receiver.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr double kSecondsToUnixEpoch =
    static_cast<double>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
constexpr std::int64_t kRowsBetweenReports = 1 << 16;

/// An id as text: short ones in place, long ones in the row's memory.
struct IdText {
    char digits[24];
    const char* data;
    std::size_t size;
    std::string_view view() const { return {data, size}; }
};

struct Exporter {
    RatingsTable ratings;
    DatasetWriter writer;
    std::string current_user;
    std::int64_t skipped = 0;
    std::int64_t rows = 0;
    void (*on_progress)(std::int64_t rows);
};

void integer_text(std::int64_t value, IdText* text) {
    text->data = text->digits;
    text->size = static_cast<std::size_t>(
        std::to_chars(text->digits, text->digits + sizeof text->digits, value).ptr - text->digits);
}

void id_text(const Column& column, Datum value, IdText* text) {
    switch (column.form) {
        case ColumnForm::Int2:
            return integer_text(DatumGetInt16(value), text);
        case ColumnForm::Int4:
            return integer_text(DatumGetInt32(value), text);
        case ColumnForm::Int8:
            return integer_text(DatumGetInt64(value), text);
        case ColumnForm::Uuid:
            text->data = DatumGetCString(DirectFunctionCall1(uuid_out, value));
            text->size = strlen(text->data);
            return;
        default: {
            struct varlena* bytes = PG_DETOAST_DATUM_PACKED(value);
            text->data = VARDATA_ANY(bytes);
            text->size = VARSIZE_ANY_EXHDR(bytes);
        }
    }
}

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
    IdText user, item;
    id_text(exporter->ratings.user, slot->tts_values[0], &user);
    id_text(exporter->ratings.item, slot->tts_values[1], &item);
    guarded([&] {
        if (exporter->writer.counts().users == 0 || exporter->current_user != user.view()) {
            exporter->current_user = user.view();
            exporter->writer.begin_user(user.view());
        }
        exporter->writer.interaction(item.view(), time);
    });
}

}  // namespace

ExportCounts export_dataset(const RatingsTable& ratings, const char* folder,
                            void (*on_progress)(std::int64_t rows)) {
    const auto start = std::chrono::steady_clock::now();
    const char* query = export_query(ratings);
    SPI_connect();
    const ExportCounts counts = guarded([&] {
        Exporter exporter{ratings, DatasetWriter(folder), {}, 0, 0, on_progress};
        postgres([&] { for_each_row(query, nullptr, export_row, &exporter); });
        exporter.writer.write(std::string(folder) + "/dataset.safetensors");
        const DatasetWriter::Counts& written = exporter.writer.counts();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        return ExportCounts{written.users, written.items, written.interactions, exporter.skipped,
                            taken.count()};
    });
    SPI_finish();
    return counts;
}

char* export_metrics(const ExportCounts& counts) {
    return guarded([&] {
        const auto rows = static_cast<double>(counts.interactions + counts.skipped);
        const nlohmann::json value = {{"rows", counts.interactions},
                                      {"skipped_rows", counts.skipped},
                                      {"export_seconds", counts.seconds},
                                      {"export_rows_per_s", rows / std::max(counts.seconds, 1e-6)}};
        return palloc_copy(value.dump());
    });
}

}  // namespace seqrec
