// The whole way of a request through seqrec-http but its socket and its database: bytes in, answers out. For
// the fuzzer, and for the tests that feed it the same inputs.
#pragma once

#include <boost/asio/io_context.hpp>
#include <string_view>

#include "api/routes.hpp"
#include "http/incoming.hpp"

namespace seqrec::testing {

/// A service whose database is away, on loopback. Its admin token is "0123456789abcdef", and it answers to "x", too, also to
/// pages of https://shop.example.
/// 一个监听回环地址、数据库不可用的服务，管理令牌为 "0123456789abcdef"；也接受名称 "x"，
/// 并允许 https://shop.example 的网页访问。
class HttpInput {
  public:
    HttpInput();

    /// Takes bytes as a client may send them, several requests one after the other included. Returns how many
    /// were answered. Whatever the bytes are, nothing but Problem may be thrown on the way: another exception
    /// leaves this function.
    /// 接收客户端可能发送的任意字节（可含多个连续请求），返回已应答的请求数。处理过程中只允许抛出 Problem，
    /// 其他异常会离开本函数。
    int take(std::string_view bytes);

    const sidecar::Router& router() const { return router_; }

  private:
    bool take_one(std::string_view& bytes);
    sidecar::Response answer(const sidecar::Route& route, const sidecar::Request& request);

    boost::asio::io_context loop_;
    sidecar::Config config_;
    sidecar::BlockingTasks tasks_;
    sidecar::Counters counters_;
    sidecar::Pool pool_, writing_pool_;
    sidecar::Router router_;
    sidecar::Doors doors_;
};

}  // namespace seqrec::testing
