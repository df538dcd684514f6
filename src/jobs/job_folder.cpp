#include "jobs/job_folder.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "core/files/safetensors.hpp"

#include "jobs/job_store.hpp"
#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "serving/snapshot_files.hpp"

extern "C" {
#include "common/file_perm.h"
#include "storage/fd.h"
#include "utils/builtins.h"
}

namespace seqrec {
namespace {

const char* path_of(const char* uuid) {
    return psprintf("%s/%s%s", database_folder_path(), kJobPrefix, uuid);
}

/// Whether there is a file, or may be one where nobody may look now.
bool may_be_there(const char* path) {
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/// The relations' names may have changed: they are the same by their oids.
bool same_source(const std::string& one, const std::string& other) {
    const auto nameless = [](const std::string& text) {
        auto value = nlohmann::json::parse(text);
        value.erase("relation");
        for (const char* side : {"items", "users"})
            if (value.contains(side)) value.at(side).erase("relation");
        return value;
    };
    return nameless(one) == nameless(other);
}

/// Whether a file says that it belongs to the job, and to what the job was asked to do where it tells that;
/// another one's, or half or a damaged one, is removed.
bool is_file_of(const char* path, const Job& job) {
    if (!may_be_there(path)) return false;
    const char* uuid = uuid_text(job.key.uuid);
    const bool own = guarded([&] {
        try {
            const SafetensorsFile file = SafetensorsFile::open(path);
            const bool is_dataset = file.meta("format").starts_with("seqrec-dataset/");
            const bool fits = file.meta("job") == uuid &&
                              (!is_dataset || (same_source(file.meta("source"), to_utf8(job.source)) &&
                                               file.meta("options") == to_utf8(job.options.json)));
            if (fits && file.contains("checksum")) file.verify(check_for_interrupts);
            return fits;
        } catch (const Error& error) {
            if (error.sqlstate != sqlstate::kDataCorrupted)
                throw;  // what can't be read now may be read later
            return false;
        }
    });
    if (!own) remove_own(path);
    return own;
}

}  // namespace

const char* open_job_folder(const JobKey& job) {
    (void)database_folder();
    const char* path = path_of(uuid_text(job.uuid));
    if (MakePGDirectory(path) != 0 && errno != EEXIST)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not create folder \"%s\": %m", path),
                        errhint("seqrec.directory must name a folder that the server may write.")));
    if (access(psprintf("%s/.", path), R_OK | W_OK | X_OK) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not write into folder \"%s\": %m", path),
                        errhint("It must be a folder that the server may read and write.")));
    return path;
}

bool has_dataset(const char* folder, const Job& job) {
    return is_file_of(psprintf("%s/dataset.safetensors", folder), job);
}

bool has_model(const char* folder, const Job& job) {
    return is_file_of(psprintf("%s/model.safetensors", folder), job);
}

bool has_model_file(const JobKey& job) {
    return access(psprintf("%s/model.safetensors", path_of(uuid_text(job.uuid))), F_OK) == 0;
}

bool has_checkpoint_file(const JobKey& job) {
    const char* folder = path_of(uuid_text(job.uuid));
    return may_be_there(psprintf("%s/checkpoint.0", folder)) ||  // of the first network
           may_be_there(psprintf("%s/checkpoint", folder));      // where there is one alone
}

void remove_job_folder(const JobKey& job) { remove_own(path_of(uuid_text(job.uuid))); }

void remove_job_folder_at_commit(const JobKey& job) { remove_at_commit(path_of(uuid_text(job.uuid)), {""}); }

void remove_dead_job_folders(const JobKey& own) {
    const char* own_uuid = uuid_text(own.uuid);
    const char* folder = database_folder();
    DIR* directory = AllocateDir(folder);
    while (const struct dirent* entry = ReadDir(directory, folder)) {
        if (strncmp(entry->d_name, kJobPrefix, strlen(kJobPrefix)) != 0) continue;
        const char* uuid = pstrdup(entry->d_name + strlen(kJobPrefix));
        if (!is_own_name(entry->d_name)) continue;
        if (strcmp(uuid, own_uuid) == 0 || needs_files(uuid)) continue;
        const auto* key = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(uuid)));
        if (!lock_job(*key, false)) continue;
        remove_own(path_of(uuid));
        unlock_job(*key);
    }
    FreeDir(directory);
}

}  // namespace seqrec
