#include "api/routes.hpp"

namespace seqrec::sidecar {

Router make_router(const Services& services) {
    Router router;
    add_recommend_routes(router, services);
    add_similar_routes(router, services);
    add_catalogue_routes(router, services);
    add_event_routes(router, services);
    add_model_routes(router, services);
    add_job_routes(router, services);
    add_job_events_routes(router, services);
    add_health_routes(router, services);
    add_metrics_routes(router, services);
    add_openapi_routes(router);
    if (services.config.dashboard) add_dashboard(router);
    return router;
}

}  // namespace seqrec::sidecar
