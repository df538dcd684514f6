// A running job as its followers see it: one look into the database serves all of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "db/pool.hpp"

namespace seqrec::sidecar {

inline constexpr char kUnknownJob[] = "unknown-job";
inline constexpr char kNoSuchJob[] = "there is no such job, or this service's database role may not see it";

/// How far a follower has come.
/// 一个订阅者的进度。
struct FeedPlace {
    std::uint64_t job_version = 0;
    int epoch = -1;  // the last one that was sent
    bool at_end = false;
};

/// What is known of one job: its row, and its epochs so far.
/// 关于一个任务的已知内容：其行与迄今各轮。
class JobFeed : public std::enable_shared_from_this<JobFeed> {
  public:
    JobFeed(Pool& pool, std::int64_t job_id) : pool_(pool), job_id_(job_id) {}

    /// The query of the next look.
    /// 下一次查询。
    Query next_look() const;
    /// Takes what a look has found.
    /// 接收查询结果。
    void accept(const Rows& rows);
    /// Looks again, unless the last look was a moment ago; waits for nothing.
    /// 再次查询，除非刚刚查询过；不做任何等待。
    void refresh();

    bool is_known() const { return !job_.empty(); }

    /// What a follower has not seen, as server-sent events; moves its place.
    /// 订阅者尚未看到的内容（server-sent events 格式），并推进其进度。
    std::string news(FeedPlace& place) const;

  private:
    struct Epoch {
        int number;
        std::string json;
    };

    Pool& pool_;
    std::int64_t job_id_;
    std::string job_;
    std::uint64_t job_version_ = 0;
    bool ended_ = false;
    std::vector<Epoch> epochs_;
    std::optional<Clock::time_point> looked_at_;
    bool looking_ = false;
};

/// The feeds that have followers, and how many these are.
/// 有订阅者的任务及订阅者总数。
class JobFeeds {
  public:
    explicit JobFeeds(Pool& pool) : pool_(pool) {}

    /// The feed of a job, shared with its other followers.
    /// 任务的数据源，与其他订阅者共享。
    std::shared_ptr<JobFeed> of(std::int64_t job_id);
    /// Counts a follower for as long as the result lives; nothing when there are `limit` already.
    /// 在返回值存续期间计入一个订阅者；已达 limit 时返回空。
    std::shared_ptr<void> follower(int limit);

  private:
    Pool& pool_;
    std::map<std::int64_t, std::weak_ptr<JobFeed>> feeds_;
    std::shared_ptr<int> followers_ = std::make_shared<int>(0);
};

}  // namespace seqrec::sidecar
