// Locks on the names of models, so that two transactions never change which version of a name is active, nor
// start two trainings of it. They last until the transaction ends. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

namespace seqrec {

/// Waits until no other transaction activates, publishes, drops or gives away versions of the model.
/// 等待其他事务不再启用、发布、删除或移交该模型的版本。
void lock_model(const char* model);

/// False when another transaction has started a training of the model and is still open.
/// 另一未结束的事务已开始训练该模型时返回 false。
bool try_lock_training(const char* model);

/// Gives the lock back before the transaction ends: it starts no training after all.
void unlock_training(const char* model);

}  // namespace seqrec
