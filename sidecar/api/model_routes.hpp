#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /models, POST /models/{model_id}/activate.
void add_model_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
