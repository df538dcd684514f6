#include "api/database_problem.hpp"

#include <cctype>
#include <string_view>

#include "log.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kUnavailable = "the database cannot answer now";

/// The first line that matches counts; classes as PostgREST maps them, except that a missing function or
/// table is the operator's fault here and not the client's.
constexpr Rule kRules[] = {
    {"57014", 504, "deadline-exceeded", "the query took longer than the deadline"},
    {"42704", 404, "unknown-model", ""},
    kNotInstalled,
    {"42P01", 503, "not-installed", kNotInstalled.detail, kNotInstalled.hint},
    {"3F000", 503, "not-installed", kNotInstalled.detail, kNotInstalled.hint},
    kForbidden,
    {"P0001", 400, "refused-by-database", ""},
    {"22", 400, "refused-by-database", ""},
    {"08", 503, "database-unavailable", kUnavailable},
    {"28", 503, "database-unavailable", kUnavailable},
    {"3D", 503, "database-unavailable", kUnavailable},
    {"40", 503, "database-unavailable", kUnavailable},
    {"53", 503, "database-unavailable", kUnavailable},
    {"55", 503, "database-unavailable", kUnavailable},
    {"57P", 503, "database-unavailable", kUnavailable},
    {"", 500, "database-error", "the database could not answer this request"},
};

const Rule& rule_for(std::string_view sqlstate, std::span<const Rule> own) {
    for (const auto& rule : own)
        if (sqlstate.starts_with(rule.prefix)) return rule;
    for (const auto& rule : kRules)
        if (sqlstate.starts_with(rule.prefix)) return rule;
    return kRules[std::size(kRules) - 1];
}

/// Whether it may be part of a name; bytes of other alphabets may not, since some languages quote by them.
bool is_letter(char c) {
    return c == '_' || c == '-' || c == '$' || std::isalnum(static_cast<unsigned char>(c));
}

/// Whether a text has a word as a whole, whatever the language quotes it by.
bool has_word(std::string_view text, std::string_view word) {
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const auto end = at + word.size();
        if ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end])))
            return true;
    }
    return false;
}

/// A schema that is missing may be one that the request names, or seqrec's own, which no route's rules are about.
const Rule& rule_of(const DatabaseError& error, std::span<const Rule> own) {
    const bool is_seqrecs = error.sqlstate == "3F000" && has_word(error.message, "seqrec");
    return rule_for(error.sqlstate, is_seqrecs ? std::span<const Rule>() : own);
}

Problem refused(const DatabaseError& error, const std::string& request_id, std::span<const Rule> own) {
    const Rule& rule = rule_of(error, own);
    const bool speaks_of_request = rule.detail.empty();
    Problem problem(rule.status, std::string(rule.kind),
                    speaks_of_request ? error.message : std::string(rule.detail));
    problem.sqlstate = error.sqlstate;
    problem.hint = error.hint.empty() ? std::string(rule.hint) : error.hint;
    if (rule.status == 503) problem.retry_after = std::chrono::seconds(1);
    if (!speaks_of_request)
        log_event("error", "SQLSTATE " + error.sqlstate + ": " + error.message, request_id);
    return problem;
}

Problem retry_later(const DatabaseError& error, const char* kind, std::string_view detail) {
    Problem problem(503, kind, std::string(detail));
    problem.retry_after = error.retry_after;
    return problem;
}

/// No word of trying again: a program that does so by itself might do it twice.
Problem unknown_outcome() {
    Problem problem(504, "outcome-unknown",
                    "the request was sent to the database, and no answer came: it may have been done or not");
    problem.hint =
        "Look before you send it again. POST /events with an Idempotency-Key may be repeated with the same "
        "key.";
    return problem;
}

}  // namespace

Problem to_problem(const DatabaseError& error, const std::string& request_id, std::span<const Rule> own) {
    switch (error.kind) {
        case DatabaseError::Kind::Unavailable:
            return retry_later(error, "database-unavailable", kUnavailable);
        case DatabaseError::Kind::QueueFull:
            return retry_later(error, "overloaded", "too many requests are waiting for the database");
        case DatabaseError::Kind::Deadline:
            return {504, "deadline-exceeded", "the request could not be answered before its deadline"};
        case DatabaseError::Kind::OutcomeUnknown:
            return unknown_outcome();
        case DatabaseError::Kind::Refused:
            break;
    }
    return refused(error, request_id, own);
}

std::string sentence_of(const DatabaseError& error) {
    if (error.kind != DatabaseError::Kind::Refused) return "the database is unreachable";
    const Rule& rule = rule_for(error.sqlstate, {});
    const std::string what(rule.detail.empty() ? "the database refused to answer" : rule.detail);
    return what + " (SQLSTATE " + error.sqlstate + ")" +
           (rule.hint.empty() ? "" : ". " + std::string(rule.hint));
}

}  // namespace seqrec::sidecar
