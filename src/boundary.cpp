#include "boundary.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>

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
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
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
                    errmsg("%s", caught.message), caught.hint[0] ? errhint("%s", caught.hint) : 0));
    pg_unreachable();
}

}  // namespace seqrec
