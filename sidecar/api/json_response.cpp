#include "api/json_response.hpp"

namespace seqrec::sidecar {

Response json_response(const nlohmann::ordered_json& body, unsigned status) {
    Response response;
    response.status = status;
    response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return response;
}

Response json_response(std::string body) {
    Response response;
    response.body = std::move(body);
    return response;
}

}  // namespace seqrec::sidecar
