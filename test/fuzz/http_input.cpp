#include "http_input.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "http/wire.hpp"

namespace seqrec::testing {
namespace {

using namespace sidecar;
namespace http = boost::beast::http;

constexpr int kMostRequests = 8;

Config quiet_config() {
    Config config;
    config.listen_host = "127.0.0.1";
    config.hosts = {"x"};
    config.cors_origins = {"https://shop.example"};
    config.model = "default";
    config.pool = config.pipeline = config.batch = config.queue = 1;
    config.deadline = std::chrono::seconds(1);
    config.max_body = 65536;
    config.max_header = 8192;
    config.dashboard = true;
    config.streams = 1;
    config.events.table = "events";
    return config;
}

/// As Beast reads from a socket, but for the socket. False when the bytes end before the request does.
bool read_on(RequestParser& parser, std::string_view& bytes, boost::system::error_code& error) {
    const bool header_first = !parser.is_header_done();
    parser.eager(!header_first);
    while (header_first ? !parser.is_header_done() : !parser.is_done()) {
        const auto taken = parser.put(boost::asio::buffer(bytes), error);
        bytes.remove_prefix(taken);
        if (error || taken == 0) return false;
    }
    return true;
}

}  // namespace

HttpInput::HttpInput()
    : config_(quiet_config()),
      tasks_(loop_),
      pool_(loop_, tasks_, reading_pool(config_)),
      writing_pool_(loop_, tasks_, writing_pool(config_)),
      router_(make_router({config_, pool_, writing_pool_, counters_, [] { return false; }})),
      doors_{Hosts(config_, config_.listen_host), Cors(config_.cors_origins), Gate("", "0123456789abcdef")} {
    pool_.stop();  // every query fails at once
    writing_pool_.stop();
}

int HttpInput::take(std::string_view bytes) {
    int answered = 0;
    while (answered < kMostRequests && take_one(bytes)) ++answered;
    return answered;
}

bool HttpInput::take_one(std::string_view& bytes) {
    RequestParser parser;
    bound(parser, config_);
    boost::system::error_code error;
    bool whole = read_on(parser, bytes, error);
    Request request = request_of(parser);
    Admission admission;
    if (whole) {
        admission = admit(router_, doors_, parser, request);
        whole = read_on(parser, bytes, error);
    }
    if (!whole) {
        render(to_response(unreadable(error, config_), request.request_id), request.request_id, false, false);
        return false;
    }
    request.body = std::move(parser.get().body());
    auto response = admission.problem  ? to_response(*admission.problem, request.request_id)
                    : admission.answer ? *admission.answer
                                       : answer(*admission.route, request);
    doors_.cors.mark(request, response);
    render(response, request.request_id, parser.keep_alive(), request.method == "HEAD");
    return true;
}

Response HttpInput::answer(const Route& route, const Request& request) {
    Response response;
    std::exception_ptr failure;
    boost::asio::co_spawn(loop_, route.handler(request), [&](std::exception_ptr error, Response answer) {
        failure = error;
        response = std::move(answer);
    });
    loop_.restart();
    loop_.run();
    try {
        if (failure) std::rethrow_exception(failure);
    } catch (const Problem& problem) {
        response = to_response(problem, request.request_id);
    }
    return response;
}

}  // namespace seqrec::testing
