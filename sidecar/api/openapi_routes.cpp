#include "api/routes.hpp"

#include "embedded.hpp"
#include "http/static_files.hpp"

namespace seqrec::sidecar {
namespace {

boost::asio::awaitable<Response> document(const Request& request) {
    const auto& file = embedded_file("openapi.json");
    co_return static_response({content_type_of(file.name), file.bytes, file.gzip, file.digest}, request);
}

}  // namespace

void add_openapi_routes(Router& router) {
    router.add({"GET", "/openapi.json", false, [](const Request& request) { return document(request); },
                Access::Open});
}

}  // namespace seqrec::sidecar
