// Everything an operator can set, read once from the environment before anything is opened.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace seqrec::sidecar {

/// A setting that cannot be used; what() is one line for standard error, naming the variable.
/// 无法使用的设置；what() 为一行标准错误信息，并指明变量名。
struct ConfigError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The table that events are added to, and its columns.
/// 追加交互事件的表及其列。
struct InteractionTable {
    std::string table;
    std::string user_column, item_column, time_column;
};

/// The table that has the items' titles, and its columns.
/// 保存物品标题的表及其列。
struct TitleTable {
    std::string table;
    std::string id_column, title_column;
};

/// The settings of one seqrec-http process, already checked. Times are durations, sizes are bytes.
/// 一个 seqrec-http 进程的全部设置（已检查）。时间为时长，大小以字节计。
struct Config {
    std::string listen_host;  // an IP address, without brackets; or "unix:PATH"
    std::uint16_t listen_port = 0;
    unsigned socket_mode = 0;               // of a Unix socket
    std::vector<std::string> hosts;         // what Host headers may name beside loopback; empty: see Hosts
    std::vector<std::string> cors_origins;  // whose pages may ask, as browsers write them
    std::string dsn;                        // empty: libpq's PG* variables alone
    std::string model;                      // used when a request names none, and looked for by /readyz
    int pool = 0;
    int pipeline = 0;
    int batch = 0;
    int queue = 0;
    bool prepare = true;
    std::chrono::milliseconds deadline{};
    std::chrono::milliseconds connect_timeout{};
    std::chrono::seconds connection_lifetime{};
    std::size_t max_body = 0;
    std::size_t max_header = 0;
    int max_connections = 0;
    std::chrono::milliseconds read_timeout{};
    std::chrono::milliseconds idle_timeout{};
    std::chrono::milliseconds drain{};
    bool access_log = true;
    bool dashboard = true;
    std::string read_token;   // empty: everybody may ask
    std::string admin_token;  // empty: nobody may change anything
    std::string admin_dsn;    // empty: the same as dsn
    InteractionTable events;  // no table: no events are taken
    TitleTable titles;        // no table: items have no titles
    int streams = 0;
};

/// Reads and checks the environment. Throws ConfigError for the first value that cannot be used.
/// 读取并检查环境变量；遇到第一个不可用的值时抛出 ConfigError。
Config read_config();

/// How listening on a Unix socket is written, before its path.
/// Unix 套接字监听地址的写法，其后为路径。
inline constexpr std::string_view kUnixPrefix = "unix:";

/// Whether an IP address is one of loopback's.
/// IP 地址是否为回环地址。
bool is_loopback(const std::string& address);

/// Throws ConfigError when a service that listens on `address` would let everybody add interactions: that
/// takes a token, or loopback, or a Unix socket.
/// 若监听 address 的服务会让任何人追加交互，则抛出 ConfigError：必须设置令牌，或只监听回环地址或 Unix 套接字。
void refuse_exposure(const Config& config, const std::string& address);

/// Names of SEQREC_* variables in the environment that seqrec-http does not know: most often a typing error.
/// 环境中 seqrec-http 不认识的 SEQREC_* 变量名，多半是拼写错误。
std::vector<std::string> unknown_variables();

/// The text of --help: every variable with its range, default and meaning.
/// --help 的文本：每个变量的范围、默认值与含义。
std::string help_text();

/// The text of --print-config: every variable as it takes effect, and libpq's parameters, secrets masked.
/// --print-config 的文本：各变量及 libpq 参数的实际取值，机密以星号代替。
std::string effective_config();

}  // namespace seqrec::sidecar
