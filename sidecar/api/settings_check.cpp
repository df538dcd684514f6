#include "api/settings_check.hpp"

#include "db/arrays.hpp"
#include "log.hpp"

namespace seqrec::sidecar {
namespace {

constexpr Statement kMissing = {"seqrec_missing", R"sql(
SELECT CASE WHEN pg_catalog.to_regclass($1::pg_catalog.text) IS NULL
            THEN pg_catalog.format('there is no table "%s"', $1::pg_catalog.text)
            ELSE pg_catalog.format('"%s" has no column "%s"', $1::pg_catalog.text, c) END
FROM pg_catalog.unnest($2::pg_catalog.text[]) AS c
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                  WHERE attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)
                    AND attname OPERATOR(pg_catalog.=) c AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped)
LIMIT 1
)sql"};

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
