#include "jobs/thread_limit.hpp"

#include <algorithm>
#include <thread>

#include "pg/boundary.hpp"
#include "pg/settings.hpp"

namespace seqrec {
namespace {

int cores() {
    return guarded([] { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); });
}

}  // namespace

int allowed_threads(int asked) {
    const int most = settings::trainer_threads;
    if (most == 0) return asked;
    const int allowed = std::min(asked != 0 ? asked : cores(), most);
    if (asked > allowed)
        ereport(NOTICE, (errmsg("the trainer gets %d threads instead of %d", allowed, asked),
                         errhint("The setting seqrec.trainer_threads allows no more.")));
    return allowed;
}

}  // namespace seqrec
