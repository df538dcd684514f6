#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace seqrec::sidecar {

/// Who may use a route.
/// 谁可以使用某个路由。
enum class Access {
    Open,  ///< everybody: health, documents
    Read,  ///< whoever may ask
    Bearer,  ///< the bearer of any token, once one is set: who adds interactions, or learns of users and trainings
    Admin,  ///< whoever may change models and jobs
};

/// What is answered at one path. `path` is a pattern: a segment that is a {name} stands for any text and
/// becomes a parameter. `takes_json` routes have a JSON body.
/// 某个路径上的处理方式。path 为模式：形如 {name} 的路径段匹配任意文本并成为参数。
/// takes_json 表示该路由接收 JSON 请求体。
struct Route {
    std::string method;
    std::string path;
    bool takes_json = false;
    Handler handler;
    Access access = Access::Read;
};

/// A route and what stands in its {names}.
/// 路由及其 {names} 的取值。
struct Match {
    const Route* route;
    Parameters parameters;
};

/// The list of routes; a HEAD request finds the route of GET. Of two patterns that fit, the one that was
/// added first answers.
/// 路由列表；HEAD 请求使用 GET 的路由。多个模式匹配时先添加者优先。
class Router {
  public:
    void add(Route route) { routes_.push_back(std::move(route)); }

    /// The route, valid as long as the router. Throws Problem: 404 for an unknown path, 405 for a known one
    /// with another method, 400 for a path that is not percent-encoded UTF-8.
    /// 返回路由，在 Router 存续期间有效。路径未知抛出 404，方法不符抛出 405，
    /// 路径不是百分号编码的 UTF-8 时抛出 400。
    Match find(std::string_view method, std::string_view path) const;

    /// The methods that a path answers, with commas between. Throws Problem 404 for an unknown path.
    /// 某个路径支持的方法，以逗号分隔。路径未知时抛出 Problem 404。
    std::string methods(std::string_view path) const;

    const std::vector<Route>& routes() const { return routes_; }

  private:
    std::vector<Route> routes_;
};

}  // namespace seqrec::sidecar
