#include "api/routes.hpp"

#include "api/dashboard.hpp"
#include "api/health_routes.hpp"
#include "api/metrics_routes.hpp"
#include "api/recommend_routes.hpp"
#include "api/similar_routes.hpp"

namespace seqrec::sidecar {

Router make_router(const Services& services) {
    Router router;
    add_recommend_routes(router, services);
    add_similar_routes(router, services);
    add_health_routes(router, services);
    add_metrics_routes(router, services);
    if (services.config.dashboard) add_dashboard(router);
    return router;
}

}  // namespace seqrec::sidecar
