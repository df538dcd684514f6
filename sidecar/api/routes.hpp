// Every file of routes, a subject each, adds its own here.
#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace seqrec::sidecar {

/// All paths that seqrec-http answers. What the services refer to must outlive the router.
/// seqrec-http 应答的全部路径。services 所引用的对象须长于返回的 Router。
Router make_router(const Services& services);

/// POST /recommend and POST /recommend/batch.
void add_recommend_routes(Router& router, const Services& services);
/// GET /similar/{item_id}.
void add_similar_routes(Router& router, const Services& services);
/// GET /items and GET /users: finding ids, and their titles.
/// 查找 ID 及其标题。
void add_catalogue_routes(Router& router, const Services& services);
/// POST /events.
void add_event_routes(Router& router, const Services& services);
/// GET /models, GET /kinds, POST /models/{model_id}/activate.
void add_model_routes(Router& router, const Services& services);
/// GET /jobs, GET /jobs/{job_id}, POST /train, POST /models/{model}/refresh, POST /jobs/{job_id}/cancel.
void add_job_routes(Router& router, const Services& services);
/// GET /jobs/{job_id}/events.
void add_job_events_routes(Router& router, const Services& services);
/// GET /livez and GET /readyz.
void add_health_routes(Router& router, const Services& services);
/// GET /metrics.
void add_metrics_routes(Router& router, const Services& services);
/// GET /openapi.json: what this service answers, as openapi.json beside this file has it.
/// GET /openapi.json：本服务的接口说明，内容即同目录的 openapi.json。
void add_openapi_routes(Router& router);
/// The dashboard's page at / and everything it loads under /assets/, all of it out of the program itself.
/// 位于 / 的仪表盘页面及其在 /assets/ 下的全部资源，均内嵌于程序自身。
void add_dashboard(Router& router);

}  // namespace seqrec::sidecar
