// Requests and responses as plain values: handlers know nothing of sockets or of Beast.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/parameters.hpp"
#include "timing.hpp"

namespace seqrec::sidecar {

/// A request that has arrived whole. `path` is as it was sent, without the query part; the parameters are
/// decoded. `request_id` is the client's own when it sent a usable one.
/// 一个已完整到达的请求。path 为原始路径（不含查询部分），各参数已解码；
/// 客户端提供可用的请求标识时 request_id 即为该值。
struct Request {
    std::string method;
    std::string path;
    Parameters in_path;   // what stands in place of the {names} of the route's pattern
    Parameters in_query;  // in the order in which they were sent
    std::string content_type;
    std::string body;
    std::string request_id;
    std::vector<std::pair<std::string, std::string>> headers;  // as they came

    /// What the database took for this request, added up by ask(): the one thing that handlers may change.
    /// 数据库为该请求花费的时间，由 ask() 累加；这是处理函数唯一可修改的内容。
    mutable std::optional<Timing> database;

    /// The first header of this name, in any case; empty when there is none.
    /// 该名称的首个头部（不区分大小写）；没有则为空。
    std::string_view header(std::string_view name) const;
};

/// Where a streamed body goes. Both operations end with false once the client has left or the server shuts
/// down: the stream then has nothing more to do than to return.
/// 流式正文的去处。客户端离开或服务器关闭时两个操作均返回 false，此时流应当直接返回。
class BodyWriter {
  public:
    /// Sends bytes; a client that takes none of them within the read timeout has left.
    /// 发送字节；在读超时内未接收任何字节的客户端视为已离开。
    virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;
    /// Waits so long, or until there is nobody to write for.
    /// 等待指定时长，或直到无人接收。
    virtual boost::asio::awaitable<bool> wait(std::chrono::milliseconds time) = 0;

  protected:
    ~BodyWriter() = default;
};

/// Writes a body piece by piece. The connection ends with it.
/// 逐段写出正文；写完后连接关闭。
using BodyStream = std::function<boost::asio::awaitable<void>(BodyWriter&)>;

/// An answer. Header names and values must come from this program, never unchecked from a client. With a
/// `stream` it is the body, and `body` stays empty.
/// 一个应答。头部名称和值必须来自本程序，绝不能是未经检查的客户端数据。设置 stream 时由其产生正文，
/// body 为空。
struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string cache_control = "private, no-store";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    BodyStream stream;
};

/// Answers a request or throws Problem.
/// 应答请求，或抛出 Problem。
using Handler = std::function<boost::asio::awaitable<Response>(const Request&)>;

}  // namespace seqrec::sidecar
