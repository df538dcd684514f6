#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /jobs/{job_id}/events.
void add_job_events_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
