#include "http/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::milliseconds kLastWords{
    1000};  // after the deadline of the last request, to write its answer
constexpr std::size_t kTurnedAwayAtOnce = 64;

}  // namespace

Server::Server(asio::io_context& loop, const Config& config, const Router& router, Counters& counters,
               std::function<void()> on_stopped)
    : loop_(loop),
      config_(config),
      access_log_(config.access_log),
      context_(std::make_shared<SessionContext>(config, router, access_log_, counters)),
      on_stopped_(std::move(on_stopped)),
      listener_(loop),
      tick_timer_(loop),
      drain_timer_(loop) {
    context_->on_end = [this](Session& session) {
        sessions_.erase(&session);
        stop_if_empty();
    };
}

Server::~Server() {
    // Sessions that an error left behind end with the loop, after this.
    context_->on_end = [](Session&) {};
}

void Server::start(const std::optional<InheritedListener>& inherited) {
    if (inherited)
        listener_.take(*inherited);
    else
        listener_.open(config_);
    context_->doors.hosts = Hosts(config_, inherited ? inherited->address : config_.listen_host);
    asio::co_spawn(loop_, accept_all(), asio::detached);
    tick();
    log_event("info", "listening on " + listener_.name());
}

asio::awaitable<void> Server::accept_all() {
    asio::steady_timer pause(loop_);
    while (listener_.is_open()) {
        error_code error;
        ClientSocket socket(loop_);
        co_await listener_.acceptor().async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
        if (!error) admit(std::move(socket));
        if (!error || !listener_.is_open()) continue;
        // Out of descriptors or memory: the listener stays, and tries again when others may have left.
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
}

void Server::admit(ClientSocket socket) {
    const auto limit = static_cast<std::size_t>(config_.max_connections);
    if (sessions_.size() >= limit + kTurnedAwayAtOnce) return;
    const auto entry = sessions_.size() < limit ? Session::Entry::Admitted : Session::Entry::TurnedAway;
    auto session = std::make_shared<Session>(std::move(socket), context_, entry);
    sessions_.insert(session.get());
    asio::co_spawn(
        loop_, [session]() -> asio::awaitable<void> { co_await session->run(); }, asio::detached);
}

void Server::tick() {
    const auto now = Session::Clock::now();
    for (Session* session : sessions_) session->enforce_deadline(now);
    access_log_.flush();
    flush_events();
    tick_timer_.expires_after(kTick);
    tick_timer_.async_wait([this](error_code error) {
        if (!error) tick();
    });
}

void Server::drain(std::chrono::milliseconds wait) {
    if (std::exchange(context_->draining, true)) {
        stop_accepting();
        return close_sessions(true);
    }
    log_event("info", "shutting down: finishing what has begun");
    drain_timer_.expires_after(wait);
    drain_timer_.async_wait([this](error_code error) {
        if (!error) stop_accepting();
    });
}

void Server::stop_accepting() {
    if (!listener_.is_open()) return;
    listener_.close();
    close_sessions(false);
    drain_timer_.expires_after(config_.deadline + kLastWords);
    drain_timer_.async_wait([this](error_code error) {
        if (!error) close_sessions(true);
    });
    stop_if_empty();
}

void Server::close_sessions(bool force) {
    for (Session* session : std::vector<Session*>(sessions_.begin(), sessions_.end())) session->close(force);
}

void Server::stop_if_empty() {
    if (!context_->draining || listener_.is_open() || !sessions_.empty()) return;
    tick_timer_.cancel();
    drain_timer_.cancel();
    access_log_.flush();
    if (auto call = std::exchange(on_stopped_, nullptr)) call();
}

}  // namespace seqrec::sidecar
