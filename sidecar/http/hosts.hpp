// The names that requests may call this service by.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "http/problem.hpp"

namespace seqrec::sidecar {

/// Guards what is open to everybody on this machine from pages of strangers: such a page may let its own name stand for
/// 127.0.0.1 (DNS rebinding), and the browser then takes this service for the page's server. Only the Host header tells.
/// 防止陌生网页借浏览器访问仅对本机开放的服务：网页可将自己的域名解析为 127.0.0.1（DNS 重绑定），
/// 浏览器便会把本服务当作该网页的服务器；只有 Host 头能够识别这种请求。
class Hosts {
  public:
    /// Any name will do.
    /// 不限制名称。
    Hosts() = default;

    /// Those of SEQREC_HOSTS and of loopback; without that setting loopback's alone where the service listens on loopback
    /// and has no read token, else any.
    /// SEQREC_HOSTS 与回环地址的名称；未设置时，若服务监听回环地址且没有读令牌，则只接受回环地址的名称，
    /// 否则不限。
    Hosts(const Config& config, const std::string& address);

    /// Why a request is not answered: 421. One without a Host header is, since browsers always send it.
    /// 拒绝请求的原因：421。没有 Host 头的请求不会被拒绝，因为浏览器总会发送它。
    std::optional<Problem> refusal(const Request& request) const;

  private:
    bool fits(std::string_view header) const;

    bool any_ = true;
    std::vector<std::string> names_;
};

}  // namespace seqrec::sidecar
