#include "api/ask.hpp"

namespace seqrec::sidecar {

void add_database_time(const Request& request, Clock::time_point began) {
    request.database_time = request.database_time.value_or(Clock::duration{}) + (Clock::now() - began);
}

boost::asio::awaitable<Rows> ask(Pool& pool, const Request& request, Query query, std::span<const Rule> own) {
    const auto began = Clock::now();
    Outcome outcome = co_await pool.run(std::move(query));
    add_database_time(request, began);
    if (const auto* error = std::get_if<DatabaseError>(&outcome))
        throw to_problem(*error, request.request_id, own);
    co_return std::get<Rows>(std::move(outcome));
}

}  // namespace seqrec::sidecar
