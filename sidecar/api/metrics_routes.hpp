#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /metrics.
void add_metrics_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
