#include "sql/evaluation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "core/measure/model_evaluation.hpp"

#include "pg/boundary.hpp"
#include "pg/settings.hpp"
#include "serving/snapshot_ready.hpp"
#include "tables/id_text.hpp"
#include "tables/row_receiver.hpp"
#include "tables/row_values.hpp"

extern "C" {
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
}

namespace seqrec {
namespace {

constexpr std::int64_t kRowsBetweenReports = 1 << 14;
constexpr std::size_t kEaseBytes = std::size_t{512} << 20;  // unless maintenance_work_mem allows more

// --- progress ---

/// Tells pg_stat_activity every second, and the client every ten, how far it is, and lets a cancel through.
class Reporter {
  public:
    void operator()(std::string_view phase, double share) {
        check_for_interrupts();
        const auto now = Clock::now();
        if (now < next_) return;
        next_ = now + std::chrono::seconds(1);
        const bool tells = now >= next_notice_;
        if (tells) next_notice_ = now + std::chrono::seconds(10);
        const std::string what =
            std::string(phase) +
            (share > 0 ? " " + std::to_string(static_cast<int>(share * 100)) + " %" : "");
        const char* text = what.c_str();
        postgres([&] {
            pgstat_report_activity(STATE_RUNNING, psprintf("/* seqrec_evaluate: %s */ %s", text,
                                                           debug_query_string ? debug_query_string : ""));
            if (tells) ereport(NOTICE, (errmsg("seqrec_evaluate: %s", text)));
        });
    }

  private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point next_ = Clock::now() + std::chrono::seconds(1),
                      next_notice_ = Clock::now() + std::chrono::seconds(10);
};

// --- reading ---

/// As training reads it: what float8 can't hold is none.
const char* label_as_double(const RatingsTable& ratings, const char* name) {
    Column column{name, get_attnum(ratings.relation, name), InvalidOid, ColumnForm::Cast};
    column.type = getBaseType(get_atttype(ratings.relation, column.number));
    return column.type == NUMERICOID ? numeric_as_double(column)
                                     : psprintf("r.%s::pg_catalog.float8", quote_identifier(name));
}

/// export_query() with the label, as a number, before its columns.
const char* labelled_query(const RatingsTable& ratings, const LabelColumn& label) {
    const char* value = "NULL::pg_catalog.float8";
    if (label.name) {
        const char* column = quote_identifier(label.name);
        value = label.is_boolean ? psprintf("(r.%s::pg_catalog.int4)::pg_catalog.float8", column)
                                 : label_as_double(ratings, label.name);
    }
    return psprintf("SELECT %s, %s", value, export_query(ratings) + strlen("SELECT "));
}

struct Reader {
    RatingsTable ratings;
    TableRows& rows;
    Reporter& report;
    std::string current_text{};  // what current_user points to when ids are text
    std::optional<Id> current_user{};
    std::int64_t read = 0;
};

void begin_user(Reader& reader, const Id& user) {
    reader.rows.begin_user(user);
    reader.current_user = user;
    if (const auto* text = std::get_if<std::string_view>(&user))
        reader.current_user = std::string_view(reader.current_text = *text);
}

/// One row: PostgreSQL code fetches, then C++ stores. Rows that a training skips are skipped.
void read_row(TupleTableSlot* slot, void* state) {
    auto* reader = static_cast<Reader*>(state);
    if (slot->tts_isnull[1] || slot->tts_isnull[2] || slot->tts_isnull[3]) return;
    const double time = time_seconds(reader->ratings.time, slot->tts_values[3]);
    if (!std::isfinite(time)) return;
    const Id user = id_of(reader->ratings.user, slot->tts_values[1]);
    const Id item = id_of(reader->ratings.item, slot->tts_values[2]);
    const float label = slot->tts_isnull[0] ? NAN : static_cast<float>(DatumGetFloat8(slot->tts_values[0]));
    guarded([&] {
        if (++reader->read % kRowsBetweenReports == 0)
            reader->report("reading, rows so far: " + std::to_string(reader->read), 0);
        if (reader->current_user != user) begin_user(*reader, user);
        reader->rows.row(item, time, label);
    });
}

/// With the caller's rights, path and policies; values are written as the export writes them.
void read_table(const char* query, const RatingsTable& ratings, Reader* reader) {
    const int level = NewGUCNestLevel();
    if (casts_ids(ratings) || ratings.kind == RELKIND_VIEW) pin_text_settings();
    SPI_connect();
    for_each_row(query, nullptr, read_row, reader);
    SPI_finish();
    AtEOXact_GUC(true, level);
}

// --- results ---

void put_figures(ReturnSetInfo* info, const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) {
        const char* name = figure.metric.c_str();
        postgres([&] {
            Datum values[3] = {CStringGetTextDatum(name), Int32GetDatum(figure.k),
                               Float8GetDatum(figure.value)};
            bool nulls[3] = {false, figure.k == 0, std::isnan(figure.value)};
            tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
        });
    }
}

/// Figures of what a model knows flatter it.
void tell_limits(const Evaluation& evaluation) {
    for (const std::string& what : evaluation.left_out) {
        const char* text = what.c_str();
        postgres([&] { ereport(NOTICE, (errmsg("%s", text))); });
    }
    if (evaluation.told == 0) return;
    postgres([&] {
        ereport(WARNING, (errmsg("the model has been told " INT64_FORMAT " of the " INT64_FORMAT
                                 " rows that it is asked for",
                                 evaluation.told, evaluation.asked),
                          errdetail("Its figures flatter it."),
                          errhint("Train with options => '{\"holdout\": \"keep\"}' and holdout_share at 1, "
                                  "or give rows of users that it was not "
                                  "trained on, with split => 'held_out'.")));
    });
}

EvaluationWish wish_of(const EvaluateCall& call) {
    EvaluationWish wish;
    wish.ks.assign(call.ks, call.ks + call.k_count);
    wish.split = call.split;
    wish.most_users = call.most_users;
    wish.baselines = call.baselines;
    wish.diversity = call.diversity;
    wish.threshold = static_cast<float>(call.threshold);
    if (call.label.name) wish.positive_from = call.positive_from;
    wish.exact = settings::exact;
    wish.probes = settings::probes;
    wish.most_bytes = std::max(kEaseBytes, static_cast<std::size_t>(maintenance_work_mem) << 10);
    return wish;
}

void evaluate_call(const EvaluateCall& call, const char* query, const seqrec::Snapshot& snapshot,
                   ReturnSetInfo* info) {
    Reporter report;
    TableRows rows(snapshot, call.label.name != nullptr);
    Reader reader{call.ratings, rows, report};
    postgres([&] { read_table(query, call.ratings, &reader); });
    const Evaluation evaluation =
        evaluate(rows, wish_of(call), [&](std::string_view phase, double share) { report(phase, share); });
    put_figures(info, evaluation.figures);
    tell_limits(evaluation);
    postgres([] { pgstat_report_activity(STATE_RUNNING, debug_query_string); });
}

}  // namespace

void run_evaluation(const EvaluateCall& call, ReturnSetInfo* info) {
    const char* query = labelled_query(call.ratings, call.label);
    const auto* snapshot = open_snapshot(call.version.model_id, call.version.version);
    guarded([&] {
        const std::unique_ptr<const seqrec::Snapshot> owned(snapshot);
        evaluate_call(call, query, *owned, info);
    });
}

}  // namespace seqrec
