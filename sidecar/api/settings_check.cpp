#include "api/settings_check.hpp"

#include "db/arrays.hpp"
#include "log.hpp"

namespace seqrec::sidecar {
namespace {

constexpr Statement kMissing = {
    "seqrec_missing",
    "SELECT CASE WHEN to_regclass($1::text) IS NULL THEN format('there is no table \"%s\"', $1::text) ELSE "
    "format('\"%s\" has no column \"%s\"', $1::text, c) END FROM unnest($2::text[]) AS c WHERE NOT EXISTS "
    "(SELECT FROM "
    "pg_catalog.pg_attribute WHERE attrelid = to_regclass($1::text) AND attname = c AND attnum > 0 AND NOT "
    "attisdropped) "
    "LIMIT 1"};

void check(Pool& pool, const std::string& setting, const std::string& table,
           const std::vector<std::string>& columns) {
    if (table.empty()) return;
    pool.submit({&kMissing, {{table}, {encode_array(columns), true}}}, [setting](Outcome outcome) {
        const auto* rows = std::get_if<Rows>(&outcome);
        if (rows && rows->size() > 0) log_event("warning", setting + ": " + std::string(rows->text(0, 0)));
    });
}

}  // namespace

void check_tables(Pool& pool, const Config& config) {
    const auto& [events, user, item, time] = config.events;
    check(pool, "SEQREC_EVENTS_TABLE", events, {user, item, time});
    const auto& [titles, id, title] = config.titles;
    check(pool, "SEQREC_TITLE_TABLE", titles, {id, title});
}

}  // namespace seqrec::sidecar
