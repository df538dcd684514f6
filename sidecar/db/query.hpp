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

#include "timing.hpp"

namespace seqrec::sidecar {

/// An SQL text of the program itself, prepared once a connection under `name`. Both live as long as the
/// program. With `joined` > 0 the first so many parameters are arrays that hold something for each asker, and
/// there is a row for each asker in return. What it calls of PostgreSQL's own, operators and types included,
/// is qualified with pg_catalog: a schema on the role's path could hold a closer match. What it calls of the extension's is in the
/// schema seqrec, whatever schema the extension is in.
/// 程序自身的一条 SQL，每个连接以 name 准备一次。两者在程序运行期间一直有效。
/// joined > 0 表示前若干个参数为数组，含每个请求者的内容，结果中每个请求者对应一行。
/// 所用的 PostgreSQL 自带函数、运算符与类型均以 pg_catalog 限定，以免被角色搜索路径上更匹配的对象取代；
/// 所用的扩展函数都在 seqrec 模式中，与扩展安装在哪个模式无关。
/// A row of several that has nothing in column `answered` (-1: none) is no answer: that asker is asked for again, the first of them alone.
/// 多行结果中 answered 列（-1 表示没有）为空的行不是回答：须再次询问该请求者，其中第一个单独询问。
struct Statement {
    const char* name;
    const char* sql;
    std::size_t joined = 0;
    int answered = -1;
};

/// One parameter: its bytes in PostgreSQL's text or binary format; no value is NULL. Never spliced into SQL.
/// 一个参数：PostgreSQL 文本或二进制格式的字节；无值即 NULL。绝不拼接进 SQL。
struct Parameter {
    std::optional<std::string> value;
    bool binary = false;

    bool operator==(const Parameter&) const = default;
};

/// One call of a statement. `urgent` goes before all others and past the queue's bound: health checks.
/// `repeatable` says that running it a second time does no harm, even when the first may have come to its end
/// unseen. `joinable`: it has one asker, and may be sent together with others that are alike.
/// 一次语句调用。urgent 先于其他请求且不受队列上限约束（用于健康检查）；
/// repeatable 表示即使首次执行可能已悄然完成，重复执行也无害；joinable 表示只有一个请求者，
/// 可与同类查询合并发送。
struct Query {
    const Statement* statement;
    std::vector<Parameter> parameters;
    bool urgent = false;
    bool repeatable = true;
    bool joinable = false;
};

/// The rows of an answer, which several may share.
/// 查询结果的行，可由多方共享。
class Rows {
  public:
    explicit Rows(PGresult* result) : result_(result, PQclear), size_(PQntuples(result)) {}

    int size() const { return size_; }
    /// One of them alone.
    /// 其中单独一行。
    Rows row(int number) const {
        Rows one = *this;
        one.first_ += number;
        one.size_ = 1;
        return one;
    }

    /// Bytes of one field, valid as long as the rows are; NULL reads as empty.
    /// 某个字段的字节，在 Rows 存续期间有效；NULL 读作空串。
    std::string_view text(int row, int column) const {
        return {PQgetvalue(result_.get(), first_ + row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), first_ + row, column))};
    }

    Timing timing;

  private:
    std::shared_ptr<PGresult> result_;
    int first_ = 0;
    int size_;
};

/// Why there are no rows. OutcomeUnknown: something that may have changed the database was sent, and no answer came. `message` and `hint` are the server's own words; `retry_after` is set when trying
/// again later makes sense.
/// 没有结果的原因。OutcomeUnknown 表示可能修改数据库的语句已发送，但没有收到应答。message 与 hint 为服务器原文；适合稍后重试时设置 retry_after。
struct DatabaseError {
    enum class Kind { Unavailable, QueueFull, Deadline, Refused, OutcomeUnknown };

    Kind kind = Kind::Refused;
    std::string sqlstate;
    std::string message;
    std::string hint;
    std::chrono::seconds retry_after{0};
    Timing timing{};
};

namespace sqlstate {
inline constexpr char kQueryCancelled[] = "57014";
inline constexpr char kNotPrepared[] = "26000";
inline constexpr char kAlreadyPrepared[] = "42P05";
inline constexpr char kReadOnlyTransaction[] = "25006";
inline constexpr char kFeatureNotSupported[] = "0A000";
inline constexpr char kSessionEnded[] = "57P0";  // begins those of a server that stops, or ends a session
}  // namespace sqlstate

using Outcome = std::variant<Rows, DatabaseError>;

}  // namespace seqrec::sidecar
