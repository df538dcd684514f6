// The boundary between PostgreSQL's C (errors are longjmps) and C++ (errors are exceptions). Every file of
// the extension includes this one, after the standard library and core/, because PostgreSQL redefines names
// such as snprintf.
//
// The two rules it enforces:
//   guarded(f)   runs C++; an exception becomes an ereport after every C++ frame has been unwound.
//   postgres(f)  runs PostgreSQL code from C++; an ERROR becomes a PostgresError that carries the whole
//                ErrorData, which guarded() raises again unchanged.
// No object with a destructor may live inside the body given to postgres(), nor in a function that calls
// PostgreSQL outside postgres().
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/error.hpp"

extern "C" {
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext
#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf
#undef strerror
#undef strerror_r

namespace seqrec {

/// A PostgreSQL error travelling through C++ frames.
/// 在 C++ 栈帧中传播的 PostgreSQL 错误。
struct PostgresError {
    ErrorData* data;
};

/// A C++ exception turned into plain old data.
/// 转换为普通数据的 C++ 异常。
struct CaughtError {
    ErrorData* from_postgres;
    char sqlstate[6];
    char message[1024];
    char hint[1024];
};

/// Describes the exception being handled.
/// 描述当前正在处理的异常。
void capture_exception(CaughtError& caught) noexcept;
[[noreturn]] void raise(const CaughtError& caught);

/// Runs C++ code from PostgreSQL code. Its result must be plain data.
/// 在 PostgreSQL 代码中运行 C++ 代码；结果须为普通数据。
template <typename Body>
auto guarded(Body&& body) -> std::invoke_result_t<Body> {
    using Result = std::invoke_result_t<Body>;
    static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>);
    CaughtError caught;
    try {
        return body();
    } catch (...) {
        capture_exception(caught);
    }
    raise(caught);
}

/// Calls `call(state)`; a PostgreSQL ERROR comes back as its data, null means none.
/// 调用 call(state)；PostgreSQL 的 ERROR 以数据形式返回，无错误返回空指针。
ErrorData* call_postgres(void (*call)(void* state), void* state);

/// Runs PostgreSQL code from C++ code; throws PostgresError.
/// 在 C++ 代码中运行 PostgreSQL 代码；抛出 PostgresError。
template <typename Body>
auto postgres(Body&& body) -> std::invoke_result_t<Body> {
    using Result = std::invoke_result_t<Body>;
    static_assert(std::is_void_v<Result> || std::is_trivially_copyable_v<Result>);
    struct Call {
        std::remove_reference_t<Body>* body;
        std::conditional_t<std::is_void_v<Result>, char, Result> result;
    } call{&body, {}};
    const auto run = [](void* state) {
        auto* self = static_cast<Call*>(state);
        if constexpr (std::is_void_v<Result>)
            (*self->body)();
        else
            self->result = (*self->body)();
    };
    if (ErrorData* error = call_postgres(run, &call)) throw PostgresError{error};
    if constexpr (!std::is_void_v<Result>) return call.result;
}

/// Lets a cancel or a terminate through from inside C++ loops.
/// 在 C++ 循环中响应取消与终止请求。
inline void check_for_interrupts() {
    if (INTERRUPTS_PENDING_CONDITION()) postgres([] { CHECK_FOR_INTERRUPTS(); });
}

/// JSON in ASCII (but in a database in SQL_ASCII): no encoding can spoil it, and text of a table or a file
/// that is not valid becomes U+FFFD.
/// 仅含 ASCII 的 JSON：不受编码影响，无效字节变为 U+FFFD。
std::string json_text(const nlohmann::json& value);

/// Between the database's encoding and JSON's, which is UTF-8. Palloc'd, or the text itself when both are the
/// same.
/// 数据库编码与 JSON 的 UTF-8 之间的转换。
std::string to_utf8(std::string_view text);
char* from_utf8(const std::string& text);

/// A palloc'd copy of a string, for results that outlive the C++ frame.
/// 字符串的 palloc 副本。
inline char* palloc_copy(const std::string& text) {
    return postgres([&] { return pnstrdup(text.data(), text.size()); });
}

}  // namespace seqrec
