// seqrec_coefficients: what a model says of its features, for kinds that have coefficients.
#include "core/coefficients.hpp"

#include <cmath>

#include "pg/boundary.hpp"
#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
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

/// A row's texts in the database's encoding.
struct Texts {
    char *feature, *value;
};

void put_row(ReturnSetInfo* info, const Coefficient& row) {
    const Texts texts = guarded([&] {
        return Texts{from_utf8(std::string(row.feature)), from_utf8(std::string(row.value))};
    });
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
