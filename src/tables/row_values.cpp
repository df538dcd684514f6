#include "tables/row_values.hpp"

#include <cmath>
#include <cstring>

extern "C" {
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
}

namespace seqrec {
namespace {

constexpr double kSecondsToUnixEpoch =
    static_cast<double>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

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

}  // namespace seqrec
