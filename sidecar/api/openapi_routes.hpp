#pragma once

#include "http/router.hpp"

namespace seqrec::sidecar {

/// GET /openapi.json: what this service answers, as openapi.json beside this file has it.
/// GET /openapi.json：本服务的接口说明，内容即同目录的 openapi.json。
void add_openapi_routes(Router& router);

}  // namespace seqrec::sidecar
