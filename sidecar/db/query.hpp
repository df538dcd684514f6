// What goes to the database and what comes back, as values.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace seqrec::sidecar {

/// An SQL text of the program itself, prepared once a connection under `name`. Both live as long as the
/// program. 程序自身的一条 SQL，每个连接以 name 准备一次。两者在程序运行期间一直有效。
struct Statement {
    const char* name;
    const char* sql;
};

/// One parameter: its bytes in PostgreSQL's text or binary format; no value is NULL. Never spliced into SQL.
/// 一个参数：PostgreSQL 文本或二进制格式的字节；无值即 NULL。绝不拼接进 SQL。
struct Parameter {
    std::optional<std::string> value;
    bool binary = false;
};

/// One call of a statement. `urgent` goes before all others and past the queue's bound: health checks.
/// `repeatable` says that running it a second time does no harm.
/// 一次语句调用。urgent 先于其他请求且不受队列上限约束（用于健康检查）；repeatable 表示重复执行无害。
struct Query {
    const Statement* statement;
    std::vector<Parameter> parameters;
    bool urgent = false;
    bool repeatable = true;
};

/// The rows of an answer; columns are read as text. 查询结果的行；各列按文本读取。
class Rows {
  public:
    explicit Rows(PGresult* result) : result_(result, PQclear) {}

    int size() const { return PQntuples(result_.get()); }

    /// Bytes of one field, valid as long as the rows are; NULL reads as empty.
    /// 某个字段的字节，在 Rows 存续期间有效；NULL 读作空串。
    std::string_view text(int row, int column) const {
        return {PQgetvalue(result_.get(), row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }

  private:
    std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

/// Why there are no rows. `message` and `hint` are the server's own words; `retry_after` is set when trying
/// again later makes sense. 没有结果的原因。message 与 hint 为服务器原文；适合稍后重试时设置 retry_after。
struct DatabaseError {
    enum class Kind { Unavailable, QueueFull, Deadline, Refused };

    Kind kind = Kind::Refused;
    std::string sqlstate;
    std::string message;
    std::string hint;
    std::chrono::seconds retry_after{0};
};

namespace sqlstate {
inline constexpr char kQueryCancelled[] = "57014";
inline constexpr char kNotPrepared[] = "26000";
inline constexpr char kAlreadyPrepared[] = "42P05";
}  // namespace sqlstate

using Outcome = std::variant<Rows, DatabaseError>;

}  // namespace seqrec::sidecar
