// What a session of the database must be set to for answers to be right, whoever hands it out.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/query.hpp"

namespace seqrec::sidecar {

/// Settings that go before a query, in its transaction. Nothing is asked for when connecting, since a pooler refuses what it does not
/// know. They hold for the session where the connection has one of its own, which the server tells by its process and by the client's end
/// that it sees: they are sent once then. A pooler in transaction mode gives each transaction to any server, whose settings are others' too: there they hold for the
/// transaction, and are sent with each.
/// 在同一事务中先于查询发送的设置。建立连接时不带任何选项，因为连接池会拒绝它不认识的选项。若连接独占一个会话
/// （由服务器的进程号及其所见的客户端端点判断），设置对会话有效，只发送一次；事务模式的连接池可能把每个事务交给任一服务器会话，
/// 而该会话也供他人使用：此时设置只对事务有效，随每个事务发送。
class SessionSettings {
  public:
    SessionSettings() = default;
    /// What the user's own `options` name is left as they have it, but for what answers rely on.
    /// 用户自己的 options 所指定的设置保持不变，但应答所依赖的设置除外。
    SessionSettings(std::chrono::milliseconds statement_timeout, bool read_only,
                    std::string_view own_options);

    /// The queries, the settings' last; `backend` is the process of which the server told when it was connected to, `client_end` this
    /// side's TCP port, or "unix:" and the port that names the server's Unix socket.
    /// 这些查询，其中设置本身在最后；backend 为建立连接时服务器告知的进程号，client_end 为本端的 TCP 端口，
    /// 或 "unix:" 加上命名服务器 Unix 套接字的端口号。
    std::vector<Query> queries(int backend, const std::string& client_end) const;

  private:
    std::vector<Parameter> parameters_;
    bool read_only_ = true;
};

/// Whether the answer to the last of these queries says that the session is the connection's own.
/// 上述最后一个查询的结果是否表明会话为该连接独占。
bool is_own_session(const Rows& rows);

/// The error of one of these queries, as the query behind them would have it: a standby refuses to write.
/// 将这些查询的错误转换为其后查询本应得到的错误：备库拒绝写入。
DatabaseError error_of_settings(DatabaseError error);

}  // namespace seqrec::sidecar
