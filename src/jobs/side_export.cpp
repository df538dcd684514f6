#include "jobs/side_export.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <limits>

#include "pg/boundary.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

FeatureValue number_value(double number) {
    const bool finite = std::isfinite(number);
    return {finite ? number : kMissing, nullptr, 0, !finite};
}

/// No encoding needs more than four bytes for what has one in UTF-8.
constexpr Size kMostCategoryServerBytes = 4 * kMostCategoryBytes;

/// Text as UTF-8; false when it is too long, or, in a database that knows no characters, no text.
bool read_text(Datum value, std::string_view* text) {
    struct varlena* bytes = PG_DETOAST_DATUM_PACKED(value);
    const char* data = VARDATA_ANY(bytes);
    const auto size = VARSIZE_ANY_EXHDR(bytes);
    if (size > kMostCategoryServerBytes) return false;
    const int length = static_cast<int>(size);
    if (GetDatabaseEncoding() == PG_SQL_ASCII && !pg_verify_mbstr(PG_UTF8, data, length, true)) return false;
    const char* converted = pg_server_to_any(data, length, PG_UTF8);
    *text = {converted, converted == data ? size : strlen(converted)};
    return text->size() <= kMostCategoryBytes;
}

FeatureValue text_value(std::string_view text) {
    auto* texts = static_cast<std::string_view*>(palloc(sizeof(std::string_view)));
    *texts = text;
    return {kMissing, texts, 1, false};
}

FeatureValue read_one_text(Datum value) {
    std::string_view text;
    if (!read_text(value, &text)) return {kMissing, nullptr, 0, true};
    return text_value(text);
}

FeatureValue read_texts(Datum value) {
    Datum* elements;
    bool* nulls;
    int count;
    deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
    const Size size = sizeof(std::string_view) * static_cast<Size>(count + 1);
    FeatureValue read{kMissing, static_cast<std::string_view*>(palloc_extended(size, MCXT_ALLOC_HUGE)), 0,
                      false};
    for (int i = 0; i < count; ++i) {
        if (nulls[i]) continue;
        if (read_text(elements[i], &read.texts[read.count]))
            ++read.count;
        else
            read.is_odd = true;
    }
    return read;
}

FeatureValue read_feature(const SideColumn& feature, Datum value) {
    switch (feature.form) {
        case FeatureForm::Number:
            return number_value(DatumGetFloat8(value));
        case FeatureForm::Time:
            return number_value(time_seconds(feature.column, value));
        case FeatureForm::Flag:
            return text_value(DatumGetBool(value) ? "true" : "false");
        case FeatureForm::Text:
            return read_one_text(value);
        default:
            return read_texts(value);
    }
}

FeatureType type_of(FeatureForm form) {
    if (form == FeatureForm::Number) return FeatureType::Number;
    return form == FeatureForm::Time ? FeatureType::Time : FeatureType::Category;
}

}  // namespace

FeatureValue* read_features(const SideColumn* columns, int count, TupleTableSlot* slot, int first) {
    auto* values = static_cast<FeatureValue*>(palloc(sizeof(FeatureValue) * static_cast<Size>(count + 1)));
    for (int i = 0; i < count; ++i)
        values[i] = slot->tts_isnull[first + i] ? FeatureValue{kMissing, nullptr, 0, false}
                                                : read_feature(columns[i], slot->tts_values[first + i]);
    return values;
}

namespace {

constexpr Size kMostTextServerBytes = 4 * kMostItemTextBytes;

/// The beginning of a text as UTF-8, whatever its length; false for what is no text.
bool read_words(Datum value, std::string_view* text, bool* is_cut) {
    struct varlena* bytes = PG_DETOAST_DATUM_PACKED(value);
    const char* data = VARDATA_ANY(bytes);
    auto size = static_cast<Size>(VARSIZE_ANY_EXHDR(bytes));
    const int encoding = GetDatabaseEncoding();
    if (size > kMostTextServerBytes) {
        *is_cut = true;
        size = encoding == PG_UTF8 || encoding == PG_SQL_ASCII
                   ? beginning({data, size}, kMostTextServerBytes).size()
                   : static_cast<Size>(pg_mbcliplen(data, static_cast<int>(std::min<Size>(size, INT_MAX)),
                                                    static_cast<int>(kMostTextServerBytes)));
    }
    const int length = static_cast<int>(size);
    if (encoding == PG_SQL_ASCII && !pg_verify_mbstr(PG_UTF8, data, length, true)) return false;
    const char* converted = pg_server_to_any(data, length, PG_UTF8);
    *text = {converted, converted == data ? size : strlen(converted)};
    return true;
}

/// The texts of a row in one, cut to what an item may have.
void join_texts(int count, TupleTableSlot* slot, int first, ItemContent* content) {
    StringInfoData joined;
    initStringInfo(&joined);
    for (int i = first; i < first + count; ++i) {
        std::string_view text;
        if (slot->tts_isnull[i]) continue;
        if (!read_words(slot->tts_values[i], &text, &content->is_cut)) {
            content->is_odd = true;
            continue;
        }
        if (text.empty()) continue;
        if (joined.len > 0) appendStringInfoChar(&joined, '\n');
        const Size room =
            kMostItemTextBytes + 4 - std::min<Size>(static_cast<Size>(joined.len), kMostItemTextBytes);
        appendBinaryStringInfo(&joined, text.data(), static_cast<int>(std::min(text.size(), room)));
    }
    const std::string_view whole(joined.data, static_cast<Size>(joined.len));
    content->text = beginning(whole, kMostItemTextBytes);
    content->is_cut = content->is_cut || content->text.size() < whole.size();
}

[[noreturn]] void refuse_width(int width) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("an item has a vector of %d numbers", width),
             errhint("A vector may have at most %d.", static_cast<int>(kMostVectorWidth))));
    pg_unreachable();
}

/// An array of float4 or float8.
void read_vector(Datum value, bool wide, ItemContent* content) {
    ArrayType* array = DatumGetArrayTypeP(value);
    const int dimensions = ARR_NDIM(array);
    content->is_bad = dimensions != 1 || array_contains_nulls(array);
    if (content->is_bad) return;
    const int width = ARR_DIMS(array)[0];
    if (width > static_cast<int>(kMostVectorWidth)) refuse_width(width);
    auto* vector = static_cast<float*>(palloc(sizeof(float) * static_cast<Size>(width)));
    for (int i = 0; i < width; ++i) {
        vector[i] = wide ? static_cast<float>(reinterpret_cast<float8*>(ARR_DATA_PTR(array))[i])
                         : reinterpret_cast<float4*>(ARR_DATA_PTR(array))[i];
        content->is_bad = content->is_bad || !std::isfinite(vector[i]);
    }
    if (content->is_bad) return;
    content->vector = vector;
    content->width = width;
}

}  // namespace

ItemContent read_content(const SideTable& table, TupleTableSlot* slot, int first) {
    ItemContent content{};
    join_texts(table.texts.count, slot, first, &content);
    const int at = first + table.texts.count;
    if (table.has_vector && !slot->tts_isnull[at])
        read_vector(slot->tts_values[at], table.vector.type == FLOAT8ARRAYOID, &content);
    return content;
}

std::vector<FeatureSpec> specs_of(const SideColumn* columns, int count) {
    std::vector<FeatureSpec> specs;
    for (int i = 0; i < count; ++i)
        specs.push_back({to_utf8(columns[i].column.name), type_of(columns[i].form)});
    return specs;
}

void put_row(std::vector<FeatureColumn>& columns, const FeatureValue* values, std::span<std::int64_t> odd) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
        const FeatureValue& value = values[c];
        odd[c] += value.is_odd;
        if (columns[c].spec().type == FeatureType::Category)
            columns[c].put({value.texts, static_cast<std::size_t>(value.count)});
        else
            columns[c].put(value.number);
    }
}

}  // namespace seqrec
