#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /livez and GET /readyz.
void add_health_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
