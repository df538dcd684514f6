#include "db/pool.hpp"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <utility>

#include "db/joining.hpp"
#include "log.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::size_t kLookAhead = 256;  // queries that are passed over in search of one to be joined
constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::milliseconds kLongestPause{
    1000};  // one probe a second costs nothing; users wait for it
constexpr int kWritesWaiting = 64;
// A host that is gone says nothing, and one in its place is found by the next attempt alone: so attempts are short. Now and then
// one is as long as it may be, for a server that takes its time.
constexpr std::chrono::milliseconds kFirstWord{1000};
constexpr unsigned kPatientProbe = 8;
constexpr std::chrono::milliseconds kSlow{50};  // of a query, where others are quicker
constexpr std::size_t kForgetAt = 64;           // finished tickets that are kept without looking

/// Options of the user's own, which libpq sends as they are.
std::string own_options(const std::string& dsn) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> named(
        PQconninfoParse(dsn.c_str(), nullptr), PQconninfoFree);
    for (auto* option = named.get(); option && option->keyword; ++option)
        if (std::string_view(option->keyword) == "options" && option->val) return option->val;
    const char* own = std::getenv("PGOPTIONS");
    return own ? own : "";
}

PoolSettings pool_settings(const Config& config, const std::string& dsn, bool read_only) {
    PoolSettings settings;
    settings.connection = {dsn, SessionSettings(config.deadline * 9 / 10, read_only, own_options(dsn)),
                           config.prepare, config.connect_timeout, config.connection_lifetime};
    settings.pipeline = config.pipeline;
    settings.deadline = config.deadline;
    return settings;
}

/// Whether an error is none of the query's own: it was hit by a cancel that was meant for another, the statement is not, or is
/// already, prepared where a pooler is in between, or the server ended the session.
bool may_be_retried(const Ticket& ticket, const DatabaseError& error) {
    if (error.sqlstate == sqlstate::kQueryCancelled) return ticket.cancel_risk && ticket.members.empty();
    if (error.sqlstate.starts_with(sqlstate::kSessionEnded)) return ticket.query.repeatable;
    return ticket.members.empty() &&
           (error.sqlstate == sqlstate::kNotPrepared || error.sqlstate == sqlstate::kAlreadyPrepared);
}

}  // namespace

PoolSettings reading_pool(const Config& config) {
    auto settings = pool_settings(config, config.dsn, true);
    settings.size = config.pool;
    settings.queue = config.queue;
    settings.batch = config.batch;
    return settings;
}

PoolSettings writing_pool(const Config& config) {
    auto settings = pool_settings(config, config.admin_dsn.empty() ? config.dsn : config.admin_dsn, false);
    settings.queue = kWritesWaiting;
    settings.lazy = true;
    return settings;
}

Pool::Pool(boost::asio::io_context& loop, BlockingTasks& tasks, PoolSettings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      forget_at_(kForgetAt),
      deadline_timer_(loop),
      back_off_timer_(loop),
      pause_(kFirstPause) {
    ConnectionOwner& owner = *this;
    for (int i = 0; i < settings_.size; ++i)
        connections_.push_back(std::make_shared<Connection>(loop, tasks, owner, settings_.connection));
}

void Pool::start() {
    if (!settings_.lazy) connect_all();
}

PoolState Pool::state() const {
    PoolState state;
    state.size = connections_.size();
    state.waiting = live_waiting_;
    for (const auto& connection : connections_) {
        state.open += connection->is_open();
        state.available += connection->is_open() && connection->in_flight() == 0;
        state.in_flight += connection->in_flight();
    }
    return state;
}

void Pool::stop() {
    stopped_ = true;
    deadline_timer_.cancel();
    back_off_timer_.cancel();
    for (auto& connection : connections_) connection->shut();
    waiting_.clear();
    for (auto& ticket : std::exchange(by_deadline_, {})) give_up(*ticket);
}

void Pool::submit(Query query, std::function<void(Outcome)> done) {
    auto ticket = std::make_shared<Ticket>();
    ticket->query = std::move(query);
    ticket->submitted_at = Clock::now();
    ticket->deadline = ticket->submitted_at + settings_.deadline;
    ticket->done = [&loop = loop_, done = std::move(done)](Outcome outcome) {
        auto shared = std::make_shared<Outcome>(std::move(outcome));
        boost::asio::post(loop, [done, shared] { done(std::move(*shared)); });
    };
    if (stopped_ || (down_ && !any_open())) return ticket->finish(unavailable());
    if (settings_.lazy && !any_open()) connect_all();
    const bool full = live_waiting_ >= static_cast<std::size_t>(settings_.queue);
    if (full && !ticket->query.urgent && !least_busy()) {
        ++statistics_.turned_away;
        return ticket->finish(
            DatabaseError{DatabaseError::Kind::QueueFull, "", "", "", std::chrono::seconds(1)});
    }
    forget_answered();
    by_deadline_.push_back(ticket);
    arm_deadline();
    enqueue(ticket);
    dispatch();
}

boost::asio::awaitable<Outcome> Pool::run(Query query) {
    auto start = [this](auto handler, Query query) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        submit(std::move(query), [shared](Outcome outcome) { (*shared)(std::move(outcome)); });
    };
    co_return co_await boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void(Outcome)>(
        start, boost::asio::use_awaitable, std::move(query));
}

void Pool::enqueue(const TicketPtr& ticket) {
    ticket->sent = false;
    ++live_waiting_;
    if (ticket->query.urgent)
        waiting_.push_front(ticket);
    else
        waiting_.push_back(ticket);
}

void Pool::dispatch() {
    while (Connection* connection = least_busy()) {
        const bool is_idle = connection->in_flight() == 0;
        if (!is_idle && waits_to_be_joined()) return;
        const auto ticket = next_waiting();
        if (!ticket) return;
        const auto together = is_idle ? joined_with_others(ticket) : ticket;
        if (ticket->query.joinable)
            statistics_.batch_sizes.record(
                static_cast<double>(std::max<std::size_t>(1, together->members.size())));
        connection->send(together);
    }
}

TicketPtr Pool::next_waiting() {
    while (!waiting_.empty()) {
        auto ticket = std::move(waiting_.front());
        waiting_.pop_front();
        if (!ticket->is_live()) continue;
        --live_waiting_;
        return ticket;
    }
    return nullptr;
}

/// Sending ahead is for the few: when not all can go, they rather wait to go together.
bool Pool::waits_to_be_joined() const {
    if (settings_.batch == 1 || waiting_.empty() || !waiting_.front()->query.joinable) return false;
    return live_waiting_ > connections_.size();
}

TicketPtr Pool::joined_with_others(const TicketPtr& first) {
    const std::size_t most = std::min(static_cast<std::size_t>(settings_.batch), fair_share());
    if (!first->query.joinable || most < 2) return first;
    std::vector<TicketPtr> members = {first};
    std::deque<TicketPtr> passed_over;
    while (members.size() < most && passed_over.size() < kLookAhead) {
        const auto next = next_waiting();
        if (!next) break;
        if (may_join(first->query, next->query))
            members.push_back(next);
        else
            passed_over.push_back(next);
    }
    live_waiting_ += passed_over.size();
    waiting_.insert(waiting_.begin(), passed_over.begin(), passed_over.end());
    if (members.size() == 1) return first;
    for (auto& member : members) member->sent = true;
    return join(members);
}

/// What one connection should take of those that wait, so that none of the others stays idle.
std::size_t Pool::fair_share() const {
    const auto open = static_cast<std::size_t>(
        std::ranges::count_if(connections_, [](const auto& connection) { return connection->is_open(); }));
    return live_waiting_ / std::max<std::size_t>(open, 1) + 1;
}

/// Nobody is sent ahead behind a slow query while another connection is quick, though that may have to be waited for: where all
/// are slow, as to a server far away, sending ahead is what helps.
Connection* Pool::least_busy() {
    Connection* best = nullptr;
    const auto now = Clock::now();
    bool quick = false;
    for (const auto& connection : connections_)
        quick |= connection->is_open() && !connection->is_slow(now, kSlow);
    for (const auto& connection : connections_) {
        if (!connection->accepts(static_cast<std::size_t>(settings_.pipeline))) continue;
        if (quick && connection->is_slow(now, kSlow)) continue;
        if (!best || connection->in_flight() < best->in_flight()) best = connection.get();
    }
    return best;
}

void Pool::on_capacity(Connection&) { dispatch(); }

void Pool::on_open(Connection&) {
    if (gaps_ > 0) {
        --gaps_;
        ++statistics_.reconnects;
    }
    if (std::exchange(down_, false)) log_event("info", "the database is reachable");
    back_off_timer_.cancel();
    probe_set_ = false;
    connect_all();
    dispatch();
}

void Pool::on_closed(Connection& connection, bool was_open, const std::string& reason,
                     std::deque<TicketPtr> lost) {
    for (const auto& ticket : lost) {
        const auto queries = ticket->members.empty() ? std::vector{ticket} : ticket->members;
        for (const auto& query : queries)
            if (!query->query.repeatable || !retry(query)) give_up(*query);
    }
    if (stopped_) return;
    dispatch();
    gaps_ += was_open;
    if (reason.empty()) return connection.open(settings_.connection.connect_timeout);
    if (was_open) {
        ++statistics_.lost;
        log_event("warning", "a database connection was lost: " + reason);
        // Only a connection that held for a while shows that all is well again.
        if (Clock::now() - connection.opened_at() > kLongestPause) pause_ = kFirstPause;
    } else {
        ++statistics_.connect_failures;
        if (!std::exchange(down_, true)) log_event("error", "cannot connect to the database: " + reason);
        if (!any_open()) fail_waiting();
    }
    back_off();
}

void Pool::on_reply(const TicketPtr& ticket, Outcome outcome) {
    if (!ticket->is_live()) return;
    statistics_.query_seconds.record(std::chrono::duration<double>(Clock::now() - ticket->sent_at).count());
    const auto* error = std::get_if<DatabaseError>(&outcome);
    if (error && may_be_retried(*ticket, *error)) return ask_again(ticket, outcome);
    if (!ticket->members.empty()) return on_group_reply(*ticket, std::move(outcome));
    answer(*ticket, std::move(outcome), ticket->sent_at);
}

void Pool::ask_again(const TicketPtr& ticket, const Outcome& otherwise) {
    const auto all = ticket->members.empty() ? std::vector{ticket} : ticket->members;
    for (const auto& query : all)
        if (query->is_live() && !retry(query)) answer(*query, otherwise, ticket->sent_at);
    dispatch();
}

/// An error may be the fault of one of them, or of their being together: each shows alone. Where some have no answer, the time
/// was over at the first of them, who goes on alone; those behind may be quick. They go first, and together: each such round has
/// one less, and takes no longer than the one who ended it takes alone.
void Pool::on_group_reply(const Ticket& group, Outcome outcome) {
    const auto* rows = std::get_if<Rows>(&outcome);
    const bool whole = rows && static_cast<std::size_t>(rows->size()) == group.members.size();
    const int answered = group.query.statement->answered;
    TicketPtr slow;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
        const TicketPtr& member = group.members[i];
        if (!member->is_live()) continue;
        const int row = static_cast<int>(i);
        if (whole && (answered < 0 || !rows->text(row, answered).empty())) {
            answer(*member, rows->row(row), group.sent_at);
        } else if (whole && !slow) {
            slow = member;
        } else {
            member->query.joinable = whole;
            enqueue(member);
        }
    }
    if (slow) {
        slow->query.joinable = false;
        enqueue(slow);
    }
    dispatch();
}

void Pool::answer(Ticket& ticket, Outcome outcome, Clock::time_point sent_at) {
    const Timing timing{sent_at - ticket.submitted_at, Clock::now() - sent_at};
    std::visit([&](auto& result) { result.timing = timing; }, outcome);
    ticket.finish(std::move(outcome));
}

/// A query may run a second time, once, when the first try was spoiled by something that is not its own
/// fault; one that changes something only when the server said that the first try came to nothing.
bool Pool::retry(const TicketPtr& ticket) {
    if (stopped_ || !ticket->is_live() || ticket->retried) return false;
    ticket->retried = true;
    ticket->cancel_risk = false;
    enqueue(ticket);
    return true;
}

bool Pool::any_open() const {
    return std::ranges::any_of(connections_, [](const auto& connection) { return connection->is_open(); });
}

void Pool::connect_all() {
    for (auto& connection : connections_)
        if (connection->is_closed()) connection->open(settings_.connection.connect_timeout);
}

void Pool::back_off() {
    if (std::exchange(probe_set_, true)) return;
    back_off_timer_.expires_after(pause_);
    pause_ = std::min(pause_ * 2, kLongestPause);
    back_off_timer_.async_wait([this](boost::system::error_code error) {
        if (error || stopped_) return;
        probe_set_ = false;
        probe();
    });
}

/// An attempt may be held by a host that says nothing: the next connection does not wait for its end.
void Pool::probe() {
    const auto idle = std::ranges::find_if(connections_, [](const auto& c) { return c->is_closed(); });
    if (idle == connections_.end()) return;
    const bool patient = ++probes_ % kPatientProbe == 0;
    (*idle)->open(patient ? settings_.connection.connect_timeout : kFirstWord, probes_);
    back_off();
}

/// Those that were being answered when the database went wait for it.
void Pool::fail_waiting() {
    std::deque<TicketPtr> waiting;
    while (auto ticket = next_waiting()) {
        if (ticket->retried)
            waiting.push_back(std::move(ticket));
        else
            ticket->finish(unavailable());
    }
    live_waiting_ = waiting.size();
    waiting_ = std::move(waiting);
}

/// Ends one without an answer. What was to change something may have done so once it was sent.
void Pool::give_up(Ticket& ticket) {
    if (!ticket.is_live()) return;
    if (ticket.sent && !ticket.query.repeatable)
        ticket.finish(DatabaseError{DatabaseError::Kind::OutcomeUnknown, "", "", "", {}});
    else
        ticket.finish(unavailable());
}

DatabaseError Pool::unavailable() {
    ++statistics_.unavailable;
    return {DatabaseError::Kind::Unavailable, "", "", "", std::chrono::seconds(1)};
}

/// Each has its answer long before its deadline: without this they would be kept until then.
void Pool::forget_answered() {
    if (by_deadline_.size() < forget_at_) return;
    std::erase_if(by_deadline_, [](const TicketPtr& ticket) { return !ticket->is_live(); });
    forget_at_ = std::max(kForgetAt, 2 * by_deadline_.size());
}

void Pool::arm_deadline() {
    while (!by_deadline_.empty() && !by_deadline_.front()->is_live()) by_deadline_.pop_front();
    if (by_deadline_.empty() || deadline_armed_) return;
    deadline_armed_ = true;
    deadline_timer_.expires_at(by_deadline_.front()->deadline);
    deadline_timer_.async_wait([this](boost::system::error_code error) {
        deadline_armed_ = false;
        if (!error) on_deadline();
    });
}

void Pool::on_deadline() {
    const auto now = Clock::now();
    while (!by_deadline_.empty() && by_deadline_.front()->deadline <= now) {
        const auto ticket = std::move(by_deadline_.front());
        by_deadline_.pop_front();
        if (!ticket->is_live()) continue;
        if (!ticket->sent) --live_waiting_;
        const bool waited_for_database = ticket->retried && !ticket->sent && !any_open();
        if (waited_for_database || (ticket->sent && !ticket->query.repeatable)) {
            give_up(*ticket);
        } else {
            ++statistics_.timeouts;
            ticket->finish(DatabaseError{DatabaseError::Kind::Deadline, "", "", "", {}});
        }
        for (auto& connection : connections_) connection->cancel_head_if_abandoned();
    }
    while (!waiting_.empty() && !waiting_.front()->is_live()) waiting_.pop_front();
    arm_deadline();
}

}  // namespace seqrec::sidecar
