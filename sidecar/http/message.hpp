// Requests and responses as plain values: handlers know nothing of sockets or of Beast.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace seqrec::sidecar {

/// A request that has arrived whole. `path` is without the query part. `request_id` is the client's own when
/// it sent a usable one. 一个已完整到达的请求。path 不含查询部分；客户端提供可用的请求标识时 request_id
/// 即为该值。
struct Request {
    std::string method;
    std::string path;
    std::string content_type;
    std::string accept_encoding;
    std::string if_none_match;
    std::string body;
    std::string request_id;
};

/// An answer. Header names and values must come from this program, never unchecked from a client.
/// 一个应答。头部名称和值必须来自本程序，绝不能是未经检查的客户端数据。
struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string cache_control = "private, no-store";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

/// Answers a request or throws Problem. 应答请求，或抛出 Problem。
using Handler = std::function<boost::asio::awaitable<Response>(const Request&)>;

}  // namespace seqrec::sidecar
