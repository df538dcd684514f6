#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// All paths that seqrec-http answers. What the services refer to must outlive the router.
/// seqrec-http 应答的全部路径。services 所引用的对象须长于返回的 Router。
Router make_router(const Services& services);

}  // namespace seqrec::sidecar
