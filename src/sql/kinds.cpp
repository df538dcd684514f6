// seqrec_kinds: the kinds of models that this build trains and serves, with their options.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/kinds/kind.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
}

namespace seqrec {
namespace {

using nlohmann::json;

/// A row as text, until it is built. Static, so that no destructor is skipped when building one fails.
struct KindRow {
    std::string name, meaning, score, options, learns_from;
};
std::vector<KindRow> rows;

const char* type_name(OptionType type) {
    switch (type) {
        case OptionType::Integer:
            return "integer";
        case OptionType::Real:
            return "number";
        case OptionType::Boolean:
            return "boolean";
        case OptionType::Text:
            return "text";
        case OptionType::Json:
            return "json";
    }
    return "";
}

json choices_of(std::string_view choices) {
    json list = json::array();
    while (!choices.empty()) {
        const std::size_t bar = choices.find('|');
        list.push_back(choices.substr(0, bar));
        choices = bar == std::string_view::npos ? "" : choices.substr(bar + 1);
    }
    return list;
}

/// As a JSON schema would say it; a default of null is decided from the data.
json describe(const OptionSpec& spec) {
    json option = {{"type", type_name(spec.type)},
                   {"default", json::parse(spec.default_json)},
                   {"meaning", spec.meaning}};
    if (spec.type == OptionType::Integer || spec.type == OptionType::Real) {
        option["minimum"] = spec.minimum;
        option["maximum"] = spec.maximum;
    }
    if (!spec.choices.empty()) option["choices"] = choices_of(spec.choices);
    return option;
}

/// As PostgreSQL writes an array: what of seqrec_train's arguments a kind makes use of, beside interactions.
std::string learns_from(const Needs& needs) {
    std::string list;
    const auto add = [&](bool needed, const char* what) {
        if (needed) list += (list.empty() ? "" : ",") + std::string(what);
    };
    add(needs.items || needs.text, "items");
    add(needs.users, "users");
    add(needs.context, "context");
    return "{" + list + "}";
}

KindRow row_of(const Kind& kind) {
    json options = json::object();
    for (const OptionSpec& spec : option_specs(kind.name)) options[std::string(spec.name)] = describe(spec);
    return {std::string(kind.name), std::string(kind.meaning), kind.form.to_json(), options.dump(),
            learns_from(kind.needs)};
}

void collect_rows() {
    rows.clear();
    for (const Kind* kind : kinds()) rows.push_back(row_of(*kind));
}

Datum jsonb_datum(const std::string& text) {
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.c_str()));
}

Datum text_array_datum(const std::string& text) {
    return OidInputFunctionCall(F_ARRAY_IN, const_cast<char*>(text.c_str()), TEXTOID, -1);
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_kinds);
Datum seqrec_kinds(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    guarded([] { collect_rows(); });
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    for (const KindRow& row : rows) {
        Datum values[5] = {CStringGetTextDatum(row.name.c_str()), CStringGetTextDatum(row.meaning.c_str()),
                           jsonb_datum(row.score), jsonb_datum(row.options),
                           text_array_datum(row.learns_from)};
        bool nulls[5] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
    return (Datum)0;
}
}
