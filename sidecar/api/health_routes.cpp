#include "api/routes.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/database_problem.hpp"
#include "api/json_response.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

// A real question to the model, of nobody in particular: a model that is there and cannot answer, since its snapshot is still
// being made, is not ready.
constexpr Statement kActiveModel = {"seqrec_ready", R"sql(
SELECT a.version
FROM (SELECT model FROM seqrec.http_models() WHERE model OPERATOR(pg_catalog.=) $1::pg_catalog.text AND active LIMIT 1) m,
     LATERAL seqrec.answers('{nobody}'::pg_catalog.text[], '{0}'::int[], '{}'::pg_catalog.text[], 1, m.model, NULL,
                            NULL, NULL, NULL, NULL, NULL) a
)sql"};

constexpr std::chrono::milliseconds kLookLasts{250};

/// One look at the model for all who ask within a while: balancers and people without a token may ask as often as they like, past
/// the queue's bound.
class ReadyLook : public std::enable_shared_from_this<ReadyLook> {
  public:
    ReadyLook(Pool& pool, std::string model) : pool_(pool), model_(std::move(model)) {}

    asio::awaitable<Outcome> outcome() {
        if (outcome_ && Clock::now() < looked_at_ + kLookLasts) co_return *outcome_;
        auto start = [this](auto handler) {
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            waiting_.push_back([shared](const Outcome& outcome) { (*shared)(outcome); });
            if (waiting_.size() == 1) look();
        };
        co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(Outcome)>(
            start, asio::use_awaitable);
    }

  private:
    void look() {
        Query query{&kActiveModel, {{model_}}};
        query.urgent = true;
        pool_.submit(std::move(query), [self = shared_from_this()](Outcome outcome) {
            self->outcome_ = std::move(outcome);
            self->looked_at_ = Clock::now();
            for (const auto& tell : std::exchange(self->waiting_, {})) tell(*self->outcome_);
        });
    }

    Pool& pool_;
    std::string model_;
    std::vector<std::function<void(const Outcome&)>> waiting_;
    std::optional<Outcome> outcome_;
    Clock::time_point looked_at_;
};

std::string reason(const DatabaseError& error) {
    if (error.kind == DatabaseError::Kind::Deadline || error.sqlstate == sqlstate::kQueryCancelled)
        return "the model did not answer in time: its snapshot may still be made";
    return sentence_of(error);
}

/// Why a balancer should send no request here; empty when it should.
std::vector<std::string> reasons_not_ready(const Outcome& outcome, const Services& services) {
    std::vector<std::string> reasons;
    if (services.is_draining()) reasons.emplace_back("shutting down");
    if (const auto* error = std::get_if<DatabaseError>(&outcome))
        reasons.push_back(reason(*error));
    else if (std::get<Rows>(outcome).size() == 0)
        reasons.push_back("there is no active model named \"" + services.config.model + "\"");
    return reasons;
}

asio::awaitable<Response> ready(const Services& services, std::shared_ptr<ReadyLook> look) {
    const Outcome outcome = co_await look->outcome();
    const auto reasons = reasons_not_ready(outcome, services);
    co_return json_response({{"ready", reasons.empty()}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
}

asio::awaitable<Response> live() { co_return json_response({{"live", true}}); }

}  // namespace

void add_health_routes(Router& router, const Services& services) {
    const auto look = std::make_shared<ReadyLook>(services.pool, services.config.model);
    router.add({"GET", "/livez", false, [](const Request&) { return live(); }, Access::Open});
    router.add({"GET", "/readyz", false, [services, look](const Request&) { return ready(services, look); },
                Access::Open});
}

}  // namespace seqrec::sidecar
