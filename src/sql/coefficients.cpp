// seqrec_coefficients: what a model says of its features, for kinds that have coefficients.
#include "core/coefficients.hpp"

#include <cmath>
#include <type_traits>

#include "pg/boundary.hpp"
#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

Coefficients coefficients_of(const ServingModel& model) {
    if (const auto found = Coefficients::of(model.snapshot->file())) return *found;
    const std::string& kind = model.snapshot->file().meta("kind");
    throw Error(sqlstate::kFeatureNotSupported, "model \"" + to_utf8(model.name) + "\" has no coefficients",
                "It is of the kind \"" + kind +
                    "\", which has none; kinds over features, such as \"logistic\", "
                    "have them.");
}

static_assert(std::is_trivially_destructible_v<Coefficients>);  // lives where PostgreSQL errors jump past

/// A row's texts in the database's encoding.
struct Texts {
    const char *feature, *value;
};

/// Features are UTF-8, but ids are as the database spells them.
const char* text_of(std::string_view text) {
    const std::string copy(text);
    const auto size = static_cast<int>(copy.size());
    const bool is_utf8 = postgres([&] { return pg_verify_mbstr(PG_UTF8, copy.c_str(), size, true); });
    if (is_utf8) return from_utf8(copy);
    postgres([&] { (void)pg_verifymbstr(copy.c_str(), size, false); });
    return palloc_copy(copy);
}

void put_row(ReturnSetInfo* info, const Coefficient& row) {
    const Texts texts = guarded([&] { return Texts{text_of(row.feature), text_of(row.value)}; });
    const bool has_value = !row.value.empty(), has_error = !std::isnan(row.error);
    Datum values[5] = {CStringGetTextDatum(texts.feature), CStringGetTextDatum(texts.value),
                       Float4GetDatum(row.weight), Float4GetDatum(row.error), Int64GetDatum(row.rows)};
    bool nulls[5] = {false, !has_value, false, !has_error, false};
    tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_coefficients);
Datum seqrec_coefficients(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::string_view name = read_model(fcinfo, 0);
    const ServingModel& model = serving_model(name.data(), name.size());
    const Coefficients coefficients = guarded([&] { return coefficients_of(model); });
    ReturnSetInfo* info = begin_rows(fcinfo);
    const MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "seqrec rows", ALLOCSET_DEFAULT_SIZES);
    const MemoryContext before = MemoryContextSwitchTo(scratch);
    for (std::int64_t i = 0; i < coefficients.size(); ++i) {
        CHECK_FOR_INTERRUPTS();
        put_row(info, guarded([&] { return coefficients.at(i); }));
        MemoryContextReset(scratch);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(scratch);
    return (Datum)0;
}
}
