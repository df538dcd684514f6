#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// POST /events.
void add_event_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
