#include "api/job_feed.hpp"

#include <algorithm>
#include <charconv>

namespace seqrec::sidecar {
namespace {

constexpr std::chrono::milliseconds kLookPause{500};
constexpr int kEpochsAtOnce = 1000;

// The job is the first row, without an epoch; those that are new follow, as many as kEpochsAtOnce.
constexpr Statement kLook = {"seqrec_job_feed", R"sql(
SELECT news.epoch::pg_catalog.text, news.body, news.state
FROM (SELECT NULL::int AS epoch, pg_catalog.row_to_json(j)::pg_catalog.text AS body, j.state
      FROM seqrec.http_jobs() j WHERE j.job_id OPERATOR(pg_catalog.=) $1::bigint
      UNION ALL
      (SELECT e.epoch, pg_catalog.row_to_json(e)::pg_catalog.text, NULL
       FROM (SELECT l.epoch, l.at, l.step, l.loss, l.metrics, l.member, l.members, l.stage FROM seqrec.http_job_log() l
             WHERE l.job_id OPERATOR(pg_catalog.=) $1::bigint AND l.epoch OPERATOR(pg_catalog.>) $2::int
             ORDER BY l.epoch LIMIT 1000) e)) news
ORDER BY news.epoch NULLS FIRST
)sql"};

bool is_final(std::string_view state) {
    return state == "done" || state == "failed" || state == "cancelled" || state == "interrupted";
}

int epoch_number(std::string_view text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

Query JobFeed::next_look() const {
    const int last = epochs_.empty() ? -1 : epochs_.back().number;
    return {&kLook, {{std::to_string(job_id_)}, {std::to_string(last)}}};
}

void JobFeed::accept(const Rows& rows) {
    if (rows.size() == 0) {
        ended_ = is_known();  // the job's row was deleted
        return;
    }
    if (job_ != rows.text(0, 1)) {
        job_ = rows.text(0, 1);
        ++job_version_;
    }
    for (int row = 1; row < rows.size(); ++row) {
        const int epoch = epoch_number(rows.text(row, 0));
        if (epochs_.empty() || epoch > epochs_.back().number)
            epochs_.push_back({epoch, std::string(rows.text(row, 1))});
    }
    ended_ = is_final(rows.text(0, 2)) && rows.size() <= kEpochsAtOnce;
}

void JobFeed::refresh() {
    if (ended_ || looking_ || (looked_at_ && Clock::now() < *looked_at_ + kLookPause)) return;
    looking_ = true;
    looked_at_ = Clock::now();
    pool_.submit(next_look(), [self = shared_from_this()](Outcome outcome) {
        self->looking_ = false;
        // A database that is away for a while only delays the news.
        if (const auto* rows = std::get_if<Rows>(&outcome)) self->accept(*rows);
    });
}

std::string JobFeed::news(FeedPlace& place) const {
    std::string text;
    auto epoch = std::ranges::upper_bound(epochs_, place.epoch, {}, &Epoch::number);
    for (; epoch != epochs_.end(); ++epoch) {
        text += "event: epoch\nid: " + std::to_string(epoch->number) + "\ndata: " + epoch->json + "\n\n";
        place.epoch = epoch->number;
    }
    if (place.job_version != job_version_) text += "event: job\ndata: " + job_ + "\n\n";
    place.job_version = job_version_;
    place.at_end = ended_;
    if (ended_) text += "event: end\ndata: {}\n\n";
    return text;
}

std::shared_ptr<JobFeed> JobFeeds::of(std::int64_t job_id) {
    std::erase_if(feeds_, [](const auto& entry) { return entry.second.expired(); });
    auto feed = feeds_[job_id].lock();
    if (!feed) feeds_[job_id] = feed = std::make_shared<JobFeed>(pool_, job_id);
    return feed;
}

std::shared_ptr<void> JobFeeds::follower(int limit) {
    if (*followers_ >= limit) return nullptr;
    ++*followers_;
    return {followers_.get(), [count = followers_](int*) { --*count; }};
}

}  // namespace seqrec::sidecar
