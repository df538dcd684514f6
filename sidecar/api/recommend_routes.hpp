#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// POST /recommend and POST /recommend/batch.
void add_recommend_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
