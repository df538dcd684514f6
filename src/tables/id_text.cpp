#include "tables/id_text.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "core/files/dataset_writer.hpp"

#include "pg/boundary.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

struct Setting {
    const char *name, *value;
};
constexpr Setting kTextSettings[] = {{"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"},
                                     {"TimeZone", "UTC"},       {"extra_float_digits", "1"},
                                     {"bytea_output", "hex"},   {"lc_monetary", "C"}};

bool is_integer(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

bool all_of(std::string_view text, bool (*is_good)(char)) { return std::ranges::all_of(text, is_good); }

/// The spelling that nearly all ids have, recognised without a call.
bool is_canonical(std::string_view id, Oid type) {
    if (is_integer(type)) {
        if (id.starts_with('-') && id != "-0") id.remove_prefix(1);
        return id == "0" || (!id.empty() && id.size() < 19 && id[0] != '0' &&
                             all_of(id, [](char c) { return c >= '0' && c <= '9'; }));
    }
    if (type == UUIDOID)
        return id.size() == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' &&
               all_of(id,
                      [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-'; });
    return false;
}

/// Whether it is worth asking the type at all: an error costs a thousand times what a look does.
bool may_be_value(std::string_view id, Oid type) {
    if (is_integer(type))
        return !id.empty() &&
               all_of(id, [](char c) { return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == ' '; });
    if (type == UUIDOID) return id.size() >= 32 && id.size() <= 41;
    return true;
}

/// A type's own reading of a text; false when it is no value of the type. These input functions hold nothing
/// that an error would leave behind.
bool read_value(std::string_view id, Oid type, Datum* value) {
    if (id.size() > kMostIdBytes || !may_be_value(id, type)) return false;
    Oid function, parameter;
    getTypeInputInfo(type, &function, &parameter);
    char* text = pnstrdup(id.data(), id.size());
    struct Call {
        Oid function, parameter;
        char* text;
        Datum value;
    } call{function, parameter, text, (Datum)0};
    const ErrorData* error = call_postgres(
        [](void* state) {
            auto* self = static_cast<Call*>(state);
            self->value = OidInputFunctionCall(self->function, self->text, self->parameter, -1);
        },
        &call);
    if (error && ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION))
        ReThrowError(const_cast<ErrorData*>(error));
    *value = call.value;
    return !error;
}

/// What `value::text` gives, but with pinned settings.
std::string_view write_value(Datum value, Oid type) {
    if (type == BOOLOID) return DatumGetBool(value) ? "true" : "false";
    if (type == INETOID ||
        type == CIDROID)  // with the netmask, where their output leaves one of all bits out
        return TextDatumGetCString(DirectFunctionCall1(network_show, value));
    Oid function;
    bool varlena;
    getTypeOutputInfo(type, &function, &varlena);
    return OidOutputFunctionCall(function, value);
}

std::string_view without_padding(std::string_view id) {
    const std::size_t end = id.find_last_not_of(' ');
    return id.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

struct Spelled {
    std::string_view* id;
    Datum value;
};

}  // namespace

void pin_text_settings() {
    for (const Setting& setting : kTextSettings)
        if (std::strcmp(GetConfigOption(setting.name, false, false), setting.value) != 0)
            (void)set_config_option(setting.name, setting.value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                                    true, 0, false);
}

bool has_other_spellings(Oid type) {
    switch (type) {
        case INT2OID:
        case INT4OID:
        case INT8OID:
        case FLOAT4OID:
        case FLOAT8OID:
        case NUMERICOID:
        case CASHOID:
        case UUIDOID:
        case BYTEAOID:
        case DATEOID:
        case TIMEOID:
        case TIMETZOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
        case INTERVALOID:
        case BPCHAROID:
        case BOOLOID:
        case OIDOID:
        case INETOID:
        case CIDROID:
        case MACADDROID:
        case MACADDR8OID:
            return true;
        default:
            return false;
    }
}

bool reading_needs_settings(Oid type) {
    switch (type) {
        case CASHOID:
        case DATEOID:
        case TIMEOID:
        case TIMETZOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
        case INTERVALOID:
            return true;
        default:
            return false;
    }
}

bool numbers_are_ids(Oid type) { return is_integer(type) || !has_other_spellings(type); }

void canonicalize(std::span<std::string_view> ids, Oid type) {
    if (!has_other_spellings(type)) return;
    if (type == BPCHAROID) {
        for (std::string_view& id : ids)
            if (id.data()) id = without_padding(id);
        return;
    }
    Spelled* spelled = nullptr;
    std::size_t count = 0;
    for (std::string_view& id : ids) {
        Datum value;
        if (!id.data() || is_canonical(id, type) || !read_value(id, type, &value)) continue;
        if (!spelled)
            spelled = static_cast<Spelled*>(palloc_extended(sizeof(Spelled) * ids.size(), MCXT_ALLOC_HUGE));
        spelled[count++] = {&id, value};
    }
    if (count == 0) return;
    const int level = NewGUCNestLevel();
    pin_text_settings();
    for (const Spelled& one : std::span(spelled, count)) {
        const std::string_view text = write_value(one.value, type);
        if (text.size() <= kMostIdBytes)
            *one.id = text;
        else  // a number of that many digits is no id of any model
            pfree(const_cast<char*>(text.data()));
    }
    AtEOXact_GUC(false, level);
}

}  // namespace seqrec
