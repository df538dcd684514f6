// Which other sites' pages may ask from within a browser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// The origins of SEQREC_CORS_ORIGINS. Their pages may ask and read; tokens are wanted of them as of anybody.
/// SEQREC_CORS_ORIGINS 中的来源。这些来源的网页可以请求并读取应答；令牌的要求与其他客户端相同。
class Cors {
  public:
    explicit Cors(std::vector<std::string> origins = {}) : origins_(std::move(origins)) {}

    /// Whether a browser asks, for a page of such an origin, what that page may send.
    /// 是否为浏览器代此类来源的网页发出的预检请求。
    bool is_preflight(const Request& request) const;

    /// What it may send to that path. Throws Problem 404 for an unknown one.
    /// 预检的应答：该路径允许的内容。路径未知时抛出 Problem 404。
    Response preflight(const Router& router, const Request& request) const;

    /// Says of an answer whose pages may read it.
    /// 在应答中注明哪个来源的网页可以读取。
    void mark(const Request& request, Response& response) const;

  private:
    bool allows(std::string_view origin) const;

    std::vector<std::string> origins_;
};

}  // namespace seqrec::sidecar
