#pragma once

#include "http/router.hpp"

namespace seqrec::sidecar {

/// Adds the dashboard's page at / and everything it loads under /assets/, all of it out of the program
/// itself. 添加位于 / 的仪表盘页面及其在 /assets/ 下的全部资源，均内嵌于程序自身。
void add_dashboard(Router& router);

}  // namespace seqrec::sidecar
