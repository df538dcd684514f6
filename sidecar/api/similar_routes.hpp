#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /similar/{item_id}.
void add_similar_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
