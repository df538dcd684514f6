#include "db/session_settings.hpp"

#include <algorithm>
#include <cctype>

namespace seqrec::sidecar {
namespace {

// Whether the session is this connection's own only the server can say, and it says so where it acts on it: no round trip. Its process
// alone does not tell, since a pooler may show clients that of a server behind it: the server must see this end of the connection, too.
constexpr Statement kSettings = {"seqrec_settings", R"sql(
SELECT s.own,
       CASE WHEN $3::pg_catalog.text IS NOT NULL THEN pg_catalog.set_config('statement_timeout', $3::pg_catalog.text, NOT s.own) END,
       CASE WHEN $4::pg_catalog.text IS NOT NULL THEN pg_catalog.set_config('plan_cache_mode', $4::pg_catalog.text, NOT s.own) END,
       CASE WHEN $5::pg_catalog.text IS NOT NULL THEN pg_catalog.set_config('client_min_messages', $5::pg_catalog.text, NOT s.own) END,
       CASE WHEN $6::pg_catalog.text IS NOT NULL THEN pg_catalog.set_config('DateStyle', $6::pg_catalog.text, NOT s.own) END,
       pg_catalog.set_config('TimeZone', 'UTC', NOT s.own),
       pg_catalog.set_config('default_transaction_read_only', CASE WHEN $7::boolean THEN 'on' ELSE 'off' END, NOT s.own),
       CASE WHEN $7::boolean THEN pg_catalog.set_config('transaction_read_only', 'on', true) END
FROM (SELECT pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) $1::int
             AND coalesce(pg_catalog.inet_client_port()::pg_catalog.text, pg_catalog.concat('unix:', pg_catalog.current_setting('port')))
                 OPERATOR(pg_catalog.=) $2::pg_catalog.text AS own) s
)sql"};
// Of this transaction alone, in spite of the role's default: it may not be said once a query has been seen.
constexpr Statement kWrites = {"seqrec_writes", "SET transaction_read_only = off"};

/// Options as libpq takes them, "-c statement_timeout=1s --work-mem=8MB", in the letters of the settings' names.
std::string normalized(std::string_view options) {
    std::string text(options);
    for (char& c : text) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

}  // namespace

SessionSettings::SessionSettings(std::chrono::milliseconds statement_timeout, bool read_only,
                                 std::string_view own_options)
    : read_only_(read_only) {
    const auto own = normalized(own_options);
    const auto add = [&](const std::string& name, std::string value) {
        const bool is_named = own.find(name + "=") != std::string::npos;
        parameters_.push_back({is_named ? std::nullopt : std::optional(std::move(value))});
    };
    add("statement_timeout", std::to_string(statement_timeout.count()));
    add("plan_cache_mode", "force_generic_plan");
    add("client_min_messages", "error");
    add("datestyle", "ISO");
    parameters_.push_back({read_only ? "t" : "f"});
}

std::vector<Query> SessionSettings::queries(int backend, const std::string& client_end) const {
    std::vector<Query> queries;
    if (parameters_.empty()) return queries;
    if (!read_only_) queries.push_back({&kWrites, {}});
    queries.push_back({&kSettings, {{std::to_string(backend)}, {client_end}}});
    auto& parameters = queries.back().parameters;
    parameters.insert(parameters.end(), parameters_.begin(), parameters_.end());
    return queries;
}

bool is_own_session(const Rows& rows) {
    return rows.size() == 1 && !rows.text(0, 0).empty() && rows.text(0, 0).front() == '\1';
}

DatabaseError error_of_settings(DatabaseError error) {
    if (error.sqlstate == sqlstate::kFeatureNotSupported) error.sqlstate = sqlstate::kReadOnlyTransaction;
    return error;
}

}  // namespace seqrec::sidecar
