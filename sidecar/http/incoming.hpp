// A request on its way in: what its bytes may be, and what its header alone decides.
#pragma once

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "config.hpp"
#include "http/cors.hpp"
#include "http/gate.hpp"
#include "http/hosts.hpp"
#include "http/message.hpp"
#include "http/problem.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

using RequestParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

/// Sets the parser's limits.
/// 设置解析器的限制。
void bound(RequestParser& parser, const Config& config);

/// The request as far as its header goes; after an error, as far as it was read, so that the answer and the
/// log can name it.
/// 仅含头部内容的请求；出错后为已读到的部分，使应答与日志可以标识它。
Request request_of(const RequestParser& parser);

/// Who is let in: by which name of this service, from which site's page, with which token.
/// 准入规则：以本服务的哪个名称、来自哪个网站的网页、持有何种令牌。
struct Doors {
    Hosts hosts;
    Cors cors;
    Gate gate;
};

/// Where a request goes, and why it goes no further: a problem, or an answer that needs no handler.
/// 请求的去向，以及不再继续的原因：问题，或无需处理函数的应答。
struct Admission {
    const Route* route = nullptr;
    std::optional<Problem> problem;
    std::optional<Response> answer;
};

/// Judges a header: whether the name is this service's, whether what may stand there once does, whether there is a route,
/// whether the client may use it, whether the body is JSON of known length. Fills in the request's parameters.
/// 判断头部：名称是否属于本服务、单值头部是否只出现一次、路由是否存在、客户端是否有权使用、
/// 正文是否为已知长度的 JSON。同时填写请求的参数。
Admission admit(const Router& router, const Doors& doors, const RequestParser& parser, Request& request);

/// What a client is told whose bytes are no request.
/// 字节不构成请求时告知客户端的内容。
Problem unreadable(boost::system::error_code error, const Config& config);

}  // namespace seqrec::sidecar
