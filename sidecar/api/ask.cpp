#include "api/ask.hpp"

namespace seqrec::sidecar {

boost::asio::awaitable<Outcome> try_ask(Pool& pool, Query query, const Request& request) {
    Outcome outcome = co_await pool.run(std::move(query));
    const Timing took = std::visit([](const auto& result) { return result.timing; }, outcome);
    Timing sum = request.database.value_or(Timing{});
    sum.waited += took.waited;
    sum.answered += took.answered;
    request.database = sum;
    co_return outcome;
}

boost::asio::awaitable<Rows> ask(Pool& pool, Query query, const Request& request, std::span<const Rule> own) {
    const Outcome outcome = co_await try_ask(pool, std::move(query), request);
    if (const auto* error = std::get_if<DatabaseError>(&outcome))
        throw to_problem(*error, request.request_id, own);
    co_return std::get<Rows>(outcome);
}

}  // namespace seqrec::sidecar
