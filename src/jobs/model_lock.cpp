#include "jobs/model_lock.hpp"

#include <cstring>

#include "pg/boundary.hpp"

extern "C" {
#include "common/hashfn.h"
#include "storage/lock.h"
}

namespace seqrec {
namespace {

constexpr std::uint16_t kModelLockClass = 1518, kTrainingLockClass = 1519;  // beside the job locks

LOCKTAG name_lock(const char* model, std::uint16_t lock_class) {
    const std::uint64_t hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(model),
                                                   static_cast<int>(strlen(model)), 0);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<std::uint32_t>(hash >> 32),
                         static_cast<std::uint32_t>(hash), lock_class);
    return tag;
}

}  // namespace

void lock_model(const char* model) {
    const LOCKTAG tag = name_lock(model, kModelLockClass);
    (void)LockAcquire(&tag, ExclusiveLock, false, false);
}

bool try_lock_training(const char* model) {
    const LOCKTAG tag = name_lock(model, kTrainingLockClass);
    return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void unlock_training(const char* model) {
    const LOCKTAG tag = name_lock(model, kTrainingLockClass);
    LockRelease(&tag, ExclusiveLock, false);
}

}  // namespace seqrec
