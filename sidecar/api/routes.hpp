#pragma once

#include <functional>

#include "config.hpp"
#include "db/pool.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// All paths that seqrec-http answers. The arguments must outlive the router.
/// seqrec-http 应答的全部路径。各参数的生存期须长于返回的 Router。
Router make_router(const Config& config, Pool& pool, std::function<bool()> is_draining);

}  // namespace seqrec::sidecar
