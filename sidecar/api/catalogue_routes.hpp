#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /items and GET /users: finding ids, and their titles.
void add_catalogue_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
