// Whether a new version is activated: what the option `activate` asks for, and what is pinned.
#pragma once

#include <cstdint>

#include "jobs/job_store.hpp"

namespace seqrec {

struct Activation {
    bool activates;
    const char* told;  ///< palloc'd, or null where it is what everybody expects
};

/// Decides for a version that a job has just inserted. Under the lock on the name, so that nobody activates
/// or pins meanwhile; inside SPI. May ereport.
/// 为任务刚插入的版本作出决定；须持有该名称的锁并在 SPI 内调用。
Activation decide_activation(const Job& job, std::int64_t model_id);

}  // namespace seqrec
