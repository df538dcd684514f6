#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /jobs, GET /jobs/{job_id}, POST /train, POST /jobs/{job_id}/cancel.
void add_job_routes(Router& router, const Services& services);

}  // namespace seqrec::sidecar
