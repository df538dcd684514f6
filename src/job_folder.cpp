#include "job_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <cstdlib>

#include "boundary.hpp"
#include "catalog.hpp"
#include "job_store.hpp"
#include "snapshot_store.hpp"

extern "C" {
#include "common/file_perm.h"
#include "storage/fd.h"
}

namespace seqrec {
namespace {

constexpr const char* kPrefix = "job-";

const char* path_of(std::int64_t job_id) {
    return psprintf("%s/%s" INT64_FORMAT, database_folder(), kPrefix, job_id);
}

/// Looked up before its lock is taken, which would make the job look alive.
bool keeps_state(std::int64_t job_id) {
    const RoleScope scope = spi_enter();
    const bool keeps = can_go_on(job_id);
    spi_leave(scope);
    return keeps;
}

}  // namespace

const char* open_job_folder(std::int64_t job_id) {
    const char* path = path_of(job_id);
    (void)database_folder();
    if (MakePGDirectory(path) != 0 && errno != EEXIST)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not create folder \"%s\": %m", path)));
    return path;
}

bool has_dataset(const char* folder) { return access(psprintf("%s/dataset.safetensors", folder), F_OK) == 0; }

void remove_job_folder(std::int64_t job_id) {
    const char* path = path_of(job_id);
    struct stat status;
    if (stat(path, &status) == 0) (void)rmtree(path, true);
}

void remove_dead_job_folders() {
    const char* folder = database_folder();
    DIR* directory = AllocateDir(folder);
    while (const struct dirent* entry = ReadDir(directory, folder)) {
        if (strncmp(entry->d_name, kPrefix, strlen(kPrefix)) != 0) continue;
        const std::int64_t job_id = std::strtoll(entry->d_name + strlen(kPrefix), nullptr, 10);
        if (keeps_state(job_id) || !lock_job(job_id, false)) continue;
        remove_job_folder(job_id);
        unlock_job(job_id);
    }
    FreeDir(directory);
}

}  // namespace seqrec
