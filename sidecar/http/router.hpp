#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// What is answered at one path. `takes_json` routes have a JSON body.
/// 某个路径上的处理方式。takes_json 表示该路由接收 JSON 请求体。
struct Route {
    std::string method;
    std::string path;
    bool takes_json = false;
    Handler handler;
};

/// The list of routes; a HEAD request finds the route of GET. 路由列表；HEAD 请求使用 GET 的路由。
class Router {
  public:
    void add(Route route) { routes_.push_back(std::move(route)); }

    /// The route, valid as long as the router. Throws Problem: 404 for an unknown path, 405 for a known one
    /// with another method. 返回路由，在 Router 存续期间有效。路径未知抛出 404，方法不符抛出 405。
    const Route& find(std::string_view method, std::string_view path) const;

  private:
    std::vector<Route> routes_;
};

}  // namespace seqrec::sidecar
