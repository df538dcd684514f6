#include "db/connection.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <random>
#include <sstream>
#include <utility>

namespace seqrec::sidecar {
namespace {

using Socket = boost::asio::posix::stream_descriptor;

/// How long a cancelled query may go on, and its cancel be on its way, before the connection is given up.
constexpr std::chrono::milliseconds kCancelGrace{1000};
constexpr int kBinary = 1;

void ignore_notice(void*, const char*) {}

std::string trimmed(const char* message) {
    std::string text = message ? message : "";
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

std::string field(const PGresult* result, int code) { return trimmed(PQresultErrorField(result, code)); }

DatabaseError refused(const PGresult* result) {
    DatabaseError error;
    error.kind = DatabaseError::Kind::Refused;
    error.sqlstate = field(result, PG_DIAG_SQLSTATE);
    error.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
    error.hint = field(result, PG_DIAG_MESSAGE_HINT);
    return error;
}

/// A list with commas, begun elsewhere.
std::string begun_at(const std::string& list, unsigned place) {
    std::vector<std::string> parts;
    std::istringstream stream(list + ",");
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    std::ranges::rotate(parts, parts.begin() + place % parts.size());
    std::string text = parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i) text += "," + parts[i];
    return text;
}

/// Hosts and ports of a connection string, begun at the n-th: libpq goes on to the next when one refuses, and not when it is silent.
std::map<std::string, std::string> hosts_begun_at(const std::string& dsn, unsigned place) {
    std::map<std::string, std::string> hosts;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> named(
        PQconninfoParse(dsn.c_str(), nullptr), PQconninfoFree),
        usual(PQconndefaults(), PQconninfoFree);
    for (const auto* list : {usual.get(), named.get()})
        for (auto* option = list; option && option->keyword; ++option) {
            const std::string_view keyword = option->keyword;
            if (!option->val) continue;
            if (keyword == "service" && list == named.get()) return {};  // a file's, which libpq alone reads
            if (keyword == "host" || keyword == "hostaddr" || keyword == "port")
                hosts[option->keyword] = begun_at(option->val, place);
        }
    std::erase_if(hosts, [](const auto& entry) { return entry.second.find(',') == std::string::npos; });
    return hosts;
}

/// Later parameters win over earlier ones, and `dbname` is expanded where it stands: so the DSN may name an
/// application, and never loses the encoding that this program relies on. A host that is gone acknowledges nothing: by the kernel's own limits that is noticed after a quarter of an hour, here after seconds, by cancels too.
PGconn* start_connecting(const ConnectionSettings& settings, unsigned first_host) {
    const std::string silence = std::to_string(settings.connect_timeout.count());
    std::vector<const char*>
        names = {"fallback_application_name", "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
                 "keepalives_count",          "dbname",           "client_encoding"},
        values = {"seqrec-http", silence.c_str(), "5", "1", "3", settings.dsn.c_str(), "UTF8"};
    std::map<std::string, std::string> hosts;
    if (first_host > 0) hosts = hosts_begun_at(settings.dsn, first_host);
    for (const auto& [name, list] : hosts) {
        names.push_back(name.c_str());
        values.push_back(list.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(names.data(), values.data(), 1);
}

/// This end of a connection, as the server sees it where nobody is in between.
std::string client_end(PGconn* connection) {
    boost::asio::ip::tcp::endpoint here;
    auto size = static_cast<socklen_t>(here.capacity());
    const bool is_known = getsockname(PQsocket(connection), here.data(), &size) == 0;
    if (is_known && here.data()->sa_family == AF_UNIX) return std::string("unix:") + PQport(connection);
    return std::to_string(here.port());
}

/// Connections opened together would otherwise all be replaced together.
Clock::duration jittered(std::chrono::seconds lifetime) {
    thread_local std::minstd_rand random{std::random_device{}()};
    std::uniform_real_distribution<> factor(0.9, 1.1);
    return std::chrono::duration_cast<Clock::duration>(lifetime * factor(random));
}

}  // namespace

bool Ticket::is_live() const {
    return done || std::ranges::any_of(members, [](const TicketPtr& member) { return member->is_live(); });
}

void Ticket::finish(Outcome outcome) {
    query.parameters = {};
    if (auto call = std::exchange(done, nullptr)) call(std::move(outcome));
}

Connection::Connection(boost::asio::io_context& loop, BlockingTasks& tasks, ConnectionOwner& owner,
                       const ConnectionSettings& settings)
    : tasks_(tasks), owner_(owner), settings_(settings), socket_(loop), timer_(loop), lifetime_timer_(loop) {}

Connection::~Connection() { release_socket(); }

bool Connection::accepts(std::size_t depth) const {
    return state_ == State::Open && !cancelling_ && !expired_ && in_flight_.size() < depth;
}

void Connection::open(Clock::duration first_word, unsigned first_host) {
    state_ = State::Connecting;
    first_word_ = first_word;
    connect_until_ = Clock::now() + settings_.connect_timeout;
    const unsigned life = ++*generation_;
    limit_connecting(connect_until_);
    auto work = [settings = settings_, first_host, now = generation_, life] {
        return Handle(*now == life ? start_connecting(settings, first_host) : nullptr, PQfinish);
    };
    tasks_.connect(std::move(work), [self = shared_from_this(), life](Handle handle) {
        if (life == *self->generation_) self->adopt(std::move(handle));
    });
}

void Connection::limit_connecting(Clock::time_point until) {
    timer_.expires_at(until);
    timer_.async_wait(
        [self = shared_from_this(), life = generation_->load()](boost::system::error_code error) {
            if (!error && life == *self->generation_) self->fail("no answer in time");
        });
}

void Connection::adopt(Handle handle) {
    handle_ = std::move(handle);
    if (!handle_) return fail("out of memory");
    if (PQstatus(handle_.get()) == CONNECTION_BAD) return fail(trimmed(PQerrorMessage(handle_.get())));
    PQsetNoticeProcessor(handle_.get(), ignore_notice, nullptr);
    limit_connecting(std::min(connect_until_, Clock::now() + first_word_));
    wait_to_connect(Socket::wait_write);
}

void Connection::wait_to_connect(Socket::wait_type what) {
    // While connecting, libpq may close its socket and open another, even under the same number: the loop
    // must watch it anew each time.
    socket_.assign(PQsocket(handle_.get()));
    socket_.async_wait(
        what, [self = shared_from_this(), life = generation_->load(), what](boost::system::error_code error) {
            if (error || life != *self->generation_) return;
            if (what == Socket::wait_read) self->limit_connecting(self->connect_until_);  // it speaks
            self->poll_connect();
        });
}

/// On a thread: where a host does not do, libpq resolves the name of the next.
void Connection::poll_connect() {
    release_socket();
    const auto held = std::make_shared<Handle>(std::move(handle_));
    tasks_.connect(
        [held] { return PQconnectPoll(held->get()); },
        [self = shared_from_this(), life = generation_->load(), held](PostgresPollingStatusType status) {
            if (life != *self->generation_) return;
            self->handle_ = std::move(*held);
            self->polled(status);
        });
}

void Connection::polled(PostgresPollingStatusType status) {
    switch (status) {
        case PGRES_POLLING_READING:
            return wait_to_connect(Socket::wait_read);
        case PGRES_POLLING_WRITING:
            return wait_to_connect(Socket::wait_write);
        case PGRES_POLLING_OK:
            return establish();
        default:
            return fail(trimmed(PQerrorMessage(handle_.get())));
    }
}

void Connection::establish() {
    if (PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1)
        return fail(trimmed(PQerrorMessage(handle_.get())));
    timer_.cancel();
    state_ = State::Open;
    opened_at_ = Clock::now();
    limit_lifetime();
    settings_queries_ = settings_.session.queries(PQbackendPID(handle_.get()), client_end(handle_.get()));
    settled_ = settings_queries_.empty();
    socket_.assign(PQsocket(handle_.get()));
    watch_input();
    owner_.on_open(*this);
}

void Connection::limit_lifetime() {
    expired_ = false;
    lifetime_timer_.expires_after(jittered(settings_.lifetime));
    lifetime_timer_.async_wait(
        [self = shared_from_this(), life = generation_->load()](boost::system::error_code error) {
            if (error || life != *self->generation_) return;
            self->expired_ = true;
            if (self->in_flight_.empty()) self->fail("");
        });
}

void Connection::watch_input() {
    socket_.async_wait(Socket::wait_read, [self = shared_from_this(),
                                           life = generation_->load()](boost::system::error_code error) {
        if (!error && life == *self->generation_) self->on_input();
    });
}

void Connection::on_input() {
    const unsigned life = *generation_;
    const bool alive = PQconsumeInput(handle_.get()) == 1;
    read_replies();  // also when the server has gone: it may have said why
    if (life != *generation_) return;
    if (!alive || PQstatus(handle_.get()) != CONNECTION_OK)
        return fail(trimmed(PQerrorMessage(handle_.get())));
    watch_input();
}

void Connection::flush() {
    const int left = PQflush(handle_.get());
    if (left < 0) return fail(trimmed(PQerrorMessage(handle_.get())));
    if (left == 0 || flushing_) return;
    flushing_ = true;
    socket_.async_wait(Socket::wait_write, [self = shared_from_this(),
                                            life = generation_->load()](boost::system::error_code error) {
        if (error || life != *self->generation_) return;
        self->flushing_ = false;
        self->flush();
    });
}

/// Whether a statement is to be prepared now.
bool Connection::must_prepare(const Query& query) {
    return settings_.prepare && prepared_.insert(query.statement).second;
}

bool Connection::write_query(const Query& query, bool prepares) {
    const auto& statement = *query.statement;
    const auto count = query.parameters.size();
    std::vector<const char*> values(count);
    std::vector<int> lengths(count), formats(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& parameter = query.parameters[i];
        values[i] = parameter.value ? parameter.value->c_str() : nullptr;
        lengths[i] = parameter.value ? static_cast<int>(parameter.value->size()) : 0;
        formats[i] = parameter.binary;
    }
    const int n = static_cast<int>(count);
    PGconn* const pg = handle_.get();
    if (!settings_.prepare)
        return PQsendQueryParams(pg, statement.sql, n, nullptr, values.data(), lengths.data(), formats.data(),
                                 kBinary) == 1;
    if (prepares && PQsendPrepare(pg, statement.name, statement.sql, 0, nullptr) != 1) return false;
    return PQsendQueryPrepared(pg, statement.name, n, values.data(), lengths.data(), formats.data(),
                               kBinary) == 1;
}

bool Connection::write_settings(Sent& sent) {
    return std::ranges::all_of(settings_queries_, [&](const Query& query) {
        const bool prepares = must_prepare(query);
        sent.before += prepares ? 2 : 1;
        return write_query(query, prepares);
    });
}

bool Connection::write(Sent& sent) {
    if (!settled_ && !write_settings(sent)) return false;
    sent.prepares = must_prepare(sent.ticket->query);
    return write_query(sent.ticket->query, sent.prepares);
}

void Connection::send(const TicketPtr& ticket) {
    ticket->sent = true;
    ticket->sent_at = Clock::now();
    if (in_flight_.empty()) busy_since_ = ticket->sent_at;
    in_flight_.push_back({ticket, std::nullopt});
    if (!write(in_flight_.back()) || PQpipelineSync(handle_.get()) != 1)
        return fail(trimmed(PQerrorMessage(handle_.get())));
    flush();
}

void Connection::read_replies() {
    bool after_null = false;
    const unsigned life = *generation_;
    while (life == *generation_ && !in_flight_.empty() && PQisBusy(handle_.get()) == 0) {
        PGresult* result = PQgetResult(handle_.get());
        if (!result && std::exchange(after_null, true))
            return;  // one ends a command; two: nothing more is here
        if (!result) continue;
        after_null = false;
        read_reply(result);
    }
}

/// A result of the settings that were sent before a query.
void Connection::read_settings(PGresult* result) {
    Sent& head = in_flight_.front();
    const Rows rows(result);
    if (PQresultStatus(result) == PGRES_TUPLES_OK) head.is_own = is_own_session(rows);
    --head.before;
}

void Connection::read_reply(PGresult* result) {
    Sent& head = in_flight_.front();
    auto& reply = head.reply;
    const auto status = PQresultStatus(result);
    if (head.before > 0 && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK))
        return read_settings(result);
    switch (status) {
        case PGRES_TUPLES_OK:
            reply = Rows(result);
            head.has_rows = true;
            return;
        case PGRES_PIPELINE_SYNC:
            PQclear(result);
            return finish_head();
        case PGRES_FATAL_ERROR:
        case PGRES_BAD_RESPONSE:
            // libpq's own words, without an SQLSTATE, are that the connection is gone, which is noticed next: no answer.
            if (field(result, PG_DIAG_SQLSTATE).empty()) break;
            if (!reply || std::holds_alternative<Rows>(*reply))
                reply = head.before > 0 ? error_of_settings(refused(result)) : refused(result);
            break;
        case PGRES_COMMAND_OK:
            head.prepares = false;
            break;
        default:
            break;  // skipped after an error
    }
    PQclear(result);
}

void Connection::finish_head() {
    Sent head = std::move(in_flight_.front());
    in_flight_.pop_front();
    busy_since_ = Clock::now();
    Outcome outcome = head.reply ? std::move(*head.reply) : DatabaseError{};
    remember_prepared(head, outcome);
    // What was set in a transaction that failed is gone with it.
    if (head.is_own && std::holds_alternative<Rows>(outcome)) settled_ = true;
    if (head.cancelled && !cancelling_) timer_.cancel();
    const unsigned life = *generation_;
    owner_.on_reply(head.ticket, std::move(outcome));
    if (life != *generation_) return;
    cancel_head_if_abandoned();
    if (in_flight_.empty() && expired_) return fail("");
    owner_.on_capacity(*this);
}

/// A statement that could not be prepared, or that a pooler in between forgot, is prepared again next time.
void Connection::remember_prepared(const Sent& sent, const Outcome& outcome) {
    const auto* error = std::get_if<DatabaseError>(&outcome);
    if (!error || error->sqlstate == sqlstate::kAlreadyPrepared) return;
    if (sent.before > 0)
        for (const auto& query : settings_queries_) prepared_.erase(query.statement);
    if (sent.prepares || error->sqlstate == sqlstate::kNotPrepared)
        prepared_.erase(sent.ticket->query.statement);
}

void Connection::cancel_head_if_abandoned() {
    if (in_flight_.empty() || cancelling_) return;
    const auto& head = in_flight_.front();
    if (!head.ticket->is_live() && !head.cancelled) cancel_head();
}

void Connection::cancel_head() {
    in_flight_.front().cancelled = true;
    for (auto& sent : in_flight_) sent.ticket->cancel_risk = true;
    timer_.expires_after(kCancelGrace);
    timer_.async_wait(
        [self = shared_from_this(), life = generation_->load()](boost::system::error_code error) {
            if (!error && life == *self->generation_) self->fail("a cancelled query did not end");
        });
    // Nothing more is sent until the cancel is through, or it might stop the wrong query.
    cancelling_ = true;
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(handle_.get()), PQfreeCancel);
    // One that comes to its turn when its connection has been given up is of no use, and may take minutes.
    auto work = [cancel = std::shared_ptr<PGcancel>(std::move(cancel)), now = generation_,
                 life = generation_->load()] {
        std::array<char, 256> message{};
        return *now == life && PQcancel(cancel.get(), message.data(), static_cast<int>(message.size()));
    };
    // Where there are too many the query is not stopped, and the connection given up.
    (void)tasks_.cancel(std::move(work), [self = shared_from_this(), life = generation_->load()](bool) {
        if (life == *self->generation_) self->cancel_is_through();
    });
}

void Connection::cancel_is_through() {
    cancelling_ = false;
    if (in_flight_.empty() || !in_flight_.front().cancelled) timer_.cancel();
    cancel_head_if_abandoned();
    owner_.on_capacity(*this);
}

void Connection::fail(const std::string& reason) {
    const bool was_open = state_ == State::Open;
    auto under_way = std::exchange(in_flight_, {});
    shut();
    std::deque<TicketPtr> lost;
    for (auto& sent : under_way) {
        // The server may have answered, or said why, before it went. What changes something is done when it is at its end: rows,
        // and what is said after them, may come before.
        if (sent.reply && (sent.ticket->query.repeatable || !sent.has_rows))
            owner_.on_reply(sent.ticket, std::move(*sent.reply));
        else
            lost.push_back(sent.ticket);
    }
    owner_.on_closed(*this, was_open, reason, std::move(lost));
}

void Connection::shut() {
    ++*generation_;
    state_ = State::Closed;
    timer_.cancel();
    lifetime_timer_.cancel();
    release_socket();
    handle_.reset();
    in_flight_.clear();
    prepared_.clear();
    flushing_ = cancelling_ = settled_ = false;
}

void Connection::release_socket() {
    // The descriptor is libpq's, which closes it: the loop only stops watching.
    if (socket_.is_open()) socket_.release();
}

}  // namespace seqrec::sidecar
