#include "pg/boundary.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>

extern "C" {
#include "access/xact.h"
}

namespace seqrec {
namespace {

/// Copies text into a fixed buffer, cut at a character's border.
template <std::size_t Size>
void copy_text(char (&buffer)[Size], const char* text) {
    const int length = static_cast<int>(std::min(std::strlen(text), Size - 1));
    const int clipped = pg_mbcliplen(text, length, static_cast<int>(Size) - 1);
    std::memcpy(buffer, text, static_cast<std::size_t>(clipped));
    buffer[clipped] = '\0';
}

void describe(CaughtError& caught, const char* state, const char* message, const char* hint) {
    caught.from_postgres = nullptr;
    copy_text(caught.sqlstate, state);
    copy_text(caught.message, message);
    copy_text(caught.hint, hint);
}

bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// What C++ says, which is UTF-8, in the database's encoding; without characters that have no place in it.
const char* message_text(const char* text) {
    if (GetDatabaseEncoding() == PG_UTF8 || is_ascii(text)) return text;
    struct Call {
        const char *text, *converted;
    } call{text, nullptr};
    const auto convert = [](void* state) {
        auto* self = static_cast<Call*>(state);
        self->converted = pg_any_to_server(self->text, static_cast<int>(std::strlen(self->text)), PG_UTF8);
    };
    if (IsTransactionState() && !call_postgres(convert, &call)) return call.converted;
    char* ascii = pstrdup(text);
    std::replace_if(
        ascii, ascii + std::strlen(ascii), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
    return ascii;
}

}  // namespace

void capture_exception(CaughtError& caught) noexcept {
    try {
        throw;
    } catch (const PostgresError& error) {
        caught.from_postgres = error.data;
    } catch (const Error& error) {
        describe(caught, error.sqlstate.c_str(), error.what(), error.hint.c_str());
    } catch (const std::bad_alloc&) {
        describe(caught, sqlstate::kOutOfMemory, "out of memory", "");
    } catch (const std::exception& error) {
        describe(caught, sqlstate::kInternal, error.what(), "");
    } catch (...) {
        describe(caught, sqlstate::kInternal, "unknown C++ exception", "");
    }
}

ErrorData* call_postgres(void (*call)(void* state), void* state) {
    const MemoryContext context = CurrentMemoryContext;
    ErrorData* volatile error = nullptr;
    PG_TRY();
    { call(state); }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    return error;
}

std::string json_text(const nlohmann::json& value) {
    // SQL_ASCII knows no characters that an escape could name: there bytes stay what they are.
    const bool escape = GetDatabaseEncoding() != PG_SQL_ASCII;
    return value.dump(-1, ' ', escape, nlohmann::json::error_handler_t::replace);
}

std::string to_utf8(std::string_view text) {
    const int length = static_cast<int>(text.size());
    return postgres([&] { return pg_server_to_any(pnstrdup(text.data(), text.size()), length, PG_UTF8); });
}

char* from_utf8(const std::string& text) {
    char* copy = palloc_copy(text);
    return postgres([&] { return pg_any_to_server(copy, static_cast<int>(text.size()), PG_UTF8); });
}

void raise(const CaughtError& caught) {
    if (caught.from_postgres) ReThrowError(caught.from_postgres);
    const char* state = caught.sqlstate;
    ereport(ERROR, (errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])),
                    errmsg("%s", message_text(caught.message)),
                    caught.hint[0] ? errhint("%s", message_text(caught.hint)) : 0));
    pg_unreachable();
}

}  // namespace seqrec
