#include "api/ask.hpp"

#include "api/database_problem.hpp"

namespace seqrec::sidecar {

boost::asio::awaitable<Rows> ask(Pool& pool, Query query, const Request& request) {
    const Outcome outcome = co_await pool.run(std::move(query));
    if (const auto* error = std::get_if<DatabaseError>(&outcome))
        throw to_problem(*error, request.request_id);
    co_return std::get<Rows>(outcome);
}

}  // namespace seqrec::sidecar
