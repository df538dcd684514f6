// Who may use which route: bearer tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/problem.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// Whether two texts are equal, in a time that depends on the length of `given` alone.
/// 两段文本是否相等；耗时只取决于 given 的长度。
bool same_in_constant_time(std::string_view secret, std::string_view given);

/// The tokens of this service; an empty one is not set. Without a read token everybody may ask, without an
/// admin token nobody may change anything.
/// 本服务的令牌，空表示未设置。未设置读令牌时人人可查询，未设置管理令牌时无人可修改。
class Gate {
  public:
    Gate(std::string read_token, std::string admin_token)
        : read_token_(std::move(read_token)), admin_token_(std::move(admin_token)) {}

    /// Why a request with this Authorization header may not pass: 401 or 403, or 404 for an admin route of a
    /// service without an admin token.
    /// 携带该 Authorization 头的请求被拒绝的原因：401 或 403；未设置管理令牌的服务其管理路由为 404。
    std::optional<Problem> refusal(Access access, std::string_view authorization) const;

  private:
    enum class Bearer { Nobody, Stranger, Reader, Admin };
    Bearer who(std::string_view authorization) const;

    std::string read_token_;
    std::string admin_token_;
};

}  // namespace seqrec::sidecar
