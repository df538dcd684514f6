#include "api/routes.hpp"

#include <charconv>

#include "api/ask.hpp"
#include "api/fields.hpp"
#include "api/job_feed.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kStep{200};
constexpr std::chrono::seconds kHeartbeat{15};

/// A comment now and then shows both sides that the other is still there.
asio::awaitable<void> follow(std::shared_ptr<JobFeed> feed, FeedPlace place, BodyWriter& writer) {
    auto written_at = Clock::now();
    bool goes_on = true;
    while (goes_on && !place.at_end) {
        feed->refresh();
        std::string text = feed->news(place);
        if (text.empty() && Clock::now() > written_at + kHeartbeat) text = ": still here\n\n";
        if (!text.empty()) {
            written_at = Clock::now();
            goes_on = co_await writer.write(std::move(text));
        }
        if (goes_on && !place.at_end) goes_on = co_await writer.wait(kStep);
    }
}

/// An EventSource that comes back says which epoch it saw last.
FeedPlace place_of(const Request& request) {
    FeedPlace place;
    const auto last = request.header("Last-Event-ID");
    std::from_chars(last.data(), last.data() + last.size(), place.epoch);
    return place;
}

Problem too_many(int limit) {
    Problem problem(503, "too-many-streams",
                    "this server has " + std::to_string(limit) + " streams open, as many as it takes");
    problem.retry_after = std::chrono::seconds(5);
    return problem;
}

asio::awaitable<Response> events(const Services& services, JobFeeds& feeds, const Request& request) {
    expect_parameters(request.in_query, {});
    const auto feed = feeds.of(number_in_path(request, "job_id", kUnknownJob, kNoSuchJob));
    const auto follower = feeds.follower(services.config.streams);
    if (!follower) throw too_many(services.config.streams);
    if (!feed->is_known()) feed->accept(co_await ask(services.pool, feed->next_look(), request));
    if (!feed->is_known()) throw Problem(404, kUnknownJob, kNoSuchJob);
    Response response;
    response.content_type = "text/event-stream";
    response.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
    response.stream = [feed, follower, place = place_of(request)](BodyWriter& writer) {
        return follow(feed, place, writer);
    };
    co_return response;
}

}  // namespace

void add_job_events_routes(Router& router, const Services& services) {
    auto feeds = std::make_shared<JobFeeds>(services.pool);
    router.add({"GET", "/jobs/{job_id}/events", false,
                [services, feeds](const Request& request) { return events(services, *feeds, request); },
                Access::Bearer});
}

}  // namespace seqrec::sidecar
