#include "http/session.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstdio>
#include <exception>

#include "http/listener.hpp"
#include "http/wire.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::milliseconds kLingerTime{2000};
constexpr std::size_t kReadAhead = 16 * 1024;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

bool has_left(error_code error) {
    return error.category() != make_error_code(http::error::bad_method).category() ||
           error == http::error::end_of_stream || error == http::error::partial_message;
}

}  // namespace

Session::Session(ClientSocket socket, std::shared_ptr<SessionContext> context, Entry entry)
    : socket_(std::move(socket)),
      context_(std::move(context)),
      entry_(entry),
      buffer_(context_->config.max_header + kReadAhead) {
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    remote_ = client_address(socket_);
}

Session::~Session() { context_->on_end(*this); }

asio::awaitable<void> Session::run() {
    // Each co_await stands in a statement of its own: GCC 12 miscompiles it in conditions of nested loops.
    bool open = entry_ == Entry::Admitted;
    if (!open) co_await turn_away();
    while (open) {
        open = co_await serve_one();
    }
    if (unread_) co_await linger();
}

asio::awaitable<bool> Session::serve_one() {
    const bool has_come = co_await wait_for_request();
    if (!has_come) co_return false;
    Exchange exchange;
    exchange.started = Clock::now();
    context_->counters.begin_request();
    const bool goes_on = co_await exchange_one(exchange);
    context_->counters.end_request();
    co_return goes_on;
}

asio::awaitable<bool> Session::exchange_one(Exchange& exchange) {
    co_await receive(exchange);
    if (exchange.gone) co_return false;
    if (!exchange.answered) co_await answer(exchange);
    const bool goes_on = co_await reply(exchange);
    co_return goes_on;
}

asio::awaitable<bool> Session::wait_for_request() {
    if (buffer_.size() > 0) co_return true;  // a client that sends ahead
    limit(context_->config.idle_timeout);
    waiting_ = true;
    error_code error;
    const auto size = co_await socket_.async_read_some(buffer_.prepare(4096), into(error));
    waiting_ = false;
    buffer_.commit(size);
    co_return !error;
}

asio::awaitable<void> Session::receive(Exchange& exchange) {
    auto& parser = exchange.parser;
    bound(parser, context_->config);
    limit(context_->config.read_timeout);
    error_code error;
    co_await http::async_read_header(socket_, buffer_, parser, into(error));
    exchange.request = request_of(parser);
    if (error) co_return read_failed(exchange, error);
    const bool expects = boost::beast::iequals(parser.get()[http::field::expect], "100-continue");
    auto [route, problem, ready] = admit(context_->router, context_->doors, parser, exchange.request);
    exchange.route = route;
    if (problem && (expects || problem->status == 411)) co_return spoil(exchange, *problem);
    if (expects) {
        static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await asio::async_write(socket_, asio::buffer(kContinue), into(error));
    }
    if (!parser.is_done()) co_await receive_body(exchange);
    if (problem) ready = to_response(*problem, exchange.request.request_id);
    if (ready && exchange.intact) answer_with(exchange, *std::move(ready));
}

asio::awaitable<void> Session::receive_body(Exchange& exchange) {
    limit(context_->config.read_timeout);
    error_code error;
    co_await http::async_read(socket_, buffer_, exchange.parser, into(error));
    if (error) co_return read_failed(exchange, error);
    exchange.request.body = std::move(exchange.parser.get().body());
}

void Session::read_failed(Exchange& exchange, error_code error) {
    if (timed_out_) return spoil(exchange, {408, "request-timeout", "the request did not arrive in time"});
    if (has_left(error))
        exchange.gone = true;
    else
        spoil(exchange, unreadable(error, context_->config));
}

void Session::spoil(Exchange& exchange, const Problem& problem) {
    exchange.intact = false;
    unread_ = true;
    answer_with(exchange, to_response(problem, exchange.request.request_id));
}

void Session::answer_with(Exchange& exchange, Response response) {
    exchange.response = std::move(response);
    exchange.answered = true;
}

asio::awaitable<void> Session::answer(Exchange& exchange) {
    deadline_ = Clock::time_point::max();  // from here on the pool's deadline counts
    const auto& id = exchange.request.request_id;
    try {
        exchange.response = co_await exchange.route->handler(exchange.request);
    } catch (const Problem& problem) {
        exchange.response = to_response(problem, id);
    } catch (const std::exception& error) {
        log_event("error", error.what(), id);
        exchange.response = to_response({500, "internal-error", "this is a fault of the service"}, id);
    }
}

asio::awaitable<bool> Session::reply(Exchange& exchange) {
    const bool head = exchange.request.method == "HEAD";
    const bool streams = exchange.response.stream && !head;
    const bool keep = exchange.intact && exchange.parser.keep_alive() && !context_->draining && !streams;
    tell_time(exchange);
    context_->doors.cors.mark(exchange.request, exchange.response);
    const auto bytes = render(exchange.response, exchange.request.request_id, keep, head);
    exchange.body_bytes = exchange.response.body.size();
    limit(context_->config.read_timeout);
    error_code error;
    co_await asio::async_write(socket_, asio::buffer(bytes), into(error));
    if (streams && !error) co_await stream_body(exchange);
    log(exchange);
    co_return keep && !error;
}

/// What the client may see of the time: all of it, and the database's share.
void Session::tell_time(Exchange& exchange) {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    exchange.took = Clock::now() - exchange.started;
    if (!exchange.request.database) return;
    const Milliseconds queue = exchange.request.database->waited,
                       database = exchange.request.database->answered;
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "total;dur=%.3f, queue;dur=%.3f, db;dur=%.3f",
                  Milliseconds(exchange.took).count(), queue.count(), database.count());
    exchange.response.headers.emplace_back("Server-Timing", text.data());
}

/// The end of the connection is the end of such a body: it needs no length and no chunks.
asio::awaitable<void> Session::stream_body(Exchange& exchange) {
    deadline_ = Clock::time_point::max();  // the writer limits each write
    writer_ = std::make_shared<SocketWriter>(socket_, context_->config.read_timeout);
    writer_->start();
    if (context_->draining) writer_->end();
    try {
        co_await exchange.response.stream(*writer_);
    } catch (const std::exception& error) {
        log_event("error", error.what(), exchange.request.request_id);
    }
    writer_->detach();
    exchange.body_bytes = writer_->written();
    writer_.reset();
}

void Session::log(const Exchange& exchange) {
    context_->counters.record_request(exchange.route, exchange.response.status, exchange.took);
    const auto route = exchange.route ? std::string_view(exchange.route->path) : std::string_view();
    context_->access_log.write({exchange.request.request_id, remote_, exchange.request.method, route,
                                exchange.response.status, exchange.body_bytes, exchange.took,
                                exchange.request.database});
}

asio::awaitable<void> Session::turn_away() {
    Problem problem(503, "too-many-connections", "this server has as many clients as it takes");
    problem.retry_after = std::chrono::seconds(1);
    Exchange exchange;
    exchange.started = Clock::now();
    exchange.request.request_id = choose_request_id({});
    spoil(exchange, problem);
    co_await reply(exchange);
}

/// Closing with unread bytes makes the kernel send a reset, which may take the answer from the client's
/// hands. So the client is told that no more comes, and what it still sends is thrown away for a while,
/// bounded by time alone: a body of any size may be under way.
asio::awaitable<void> Session::linger() {
    error_code error;
    socket_.shutdown(ClientSocket::shutdown_send, error);
    limit(kLingerTime);
    buffer_.clear();
    while (!error) co_await socket_.async_read_some(buffer_.prepare(kReadAhead), into(error));
}

void Session::limit(std::chrono::milliseconds time) {
    timed_out_ = false;
    deadline_ = Clock::now() + time;
}

void Session::enforce_deadline(Clock::time_point now) {
    if (now < deadline_) return;
    timed_out_ = true;
    error_code ignored;
    socket_.cancel(ignored);
}

void Session::close(bool force) {
    error_code ignored;
    if (writer_) writer_->end();
    if (waiting_ || force) socket_.close(ignored);
}

}  // namespace seqrec::sidecar
