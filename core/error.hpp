// The one exception type of seqrec's own code.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace seqrec {

/// An error a user may see: a five-character SQLSTATE, a message in PostgreSQL's style (lower case, no full
/// stop) and a hint (full sentence, may be empty). The extension turns it into ereport, the trainer into an
/// `error` line.
/// 用户可见的错误：五位 SQLSTATE、PostgreSQL 风格的消息以及提示（可为空）。扩展将其转为 ereport，
/// 训练器将其转为一行 error。
struct Error : std::runtime_error {
    Error(const char* sqlstate, const std::string& message, std::string hint = {})
        : std::runtime_error(message), sqlstate(sqlstate), hint(std::move(hint)) {}

    std::string sqlstate;
    std::string hint;
};

namespace sqlstate {
inline constexpr char kInvalidParameter[] = "22023";
inline constexpr char kInvalidObjectDefinition[] = "42P17";
inline constexpr char kNotEnoughData[] = "22000";
inline constexpr char kFeatureNotSupported[] = "0A000";
inline constexpr char kLimitExceeded[] = "54000";
inline constexpr char kNotReady[] = "55000";
inline constexpr char kOutOfMemory[] = "53200";
inline constexpr char kDiskFull[] = "53100";
inline constexpr char kIo[] = "58030";
inline constexpr char kDataCorrupted[] = "XX001";
inline constexpr char kInternal[] = "XX000";
}  // namespace sqlstate

}  // namespace seqrec
