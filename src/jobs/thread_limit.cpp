#include "jobs/thread_limit.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "pg/boundary.hpp"
#include "pg/settings.hpp"

namespace seqrec {
namespace {

/// What was asked for, 0 being all cores, and what becomes of it.
struct Threads {
    int asked, allowed;
    const char* options;
};

Threads limit_threads(const char* options, int most) {
    auto chosen = nlohmann::json::parse(to_utf8(options));
    const int asked = chosen.at("threads").get<int>();
    const int wanted =
        asked != 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    const int allowed = std::min(wanted, most);
    chosen["threads"] = allowed;
    return {asked, allowed, from_utf8(json_text(chosen))};
}

}  // namespace

const char* with_allowed_threads(const char* options) {
    const int most = settings::trainer_threads;
    if (most == 0) return options;
    const Threads threads = guarded([&] { return limit_threads(options, most); });
    if (threads.asked > threads.allowed)
        ereport(NOTICE, (errmsg("the trainer gets %d threads instead of %d", threads.allowed, threads.asked),
                         errhint("The setting seqrec.trainer_threads allows no more.")));
    return threads.options;
}

}  // namespace seqrec
