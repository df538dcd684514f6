#include "pg/data_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "serving/snapshot_stamp.hpp"

extern "C" {
#include "access/xlog.h"
#include "common/file_perm.h"
#include "common/file_utils.h"
#include "storage/fd.h"
}

namespace seqrec {
namespace {

constexpr const char* kMarkName = "seqrec-folder";
constexpr const char* kDefault = "seqrec";  // in the data directory, where nothing is anybody else's
/// Whether a folder really lies in the data directory, whatever its path says.
bool lies_within(const char* folder, const char* data) {
    char real[PATH_MAX];
    const std::size_t length = strlen(data);
    return realpath(folder, real) && strncmp(real, data, length) == 0 && real[length] == '/';
}

/// A mark's whole text: who owns the folder. A copy of the data directory elsewhere is another server, unless
/// the folder lies in it and was copied with it.
const char* own_mark(const char* folder) {
    char real[PATH_MAX];
    const char* data = realpath(DataDir, real) ? real : DataDir;
    return psprintf("seqrec-folder/1\nserver " UINT64_FORMAT "\ndata directory %s\n", GetSystemIdentifier(),
                    lies_within(folder, data) ? "." : data);
}

const char* mark_path(const char* folder) { return psprintf("%s/%s", folder, kMarkName); }

/// The text of a folder's mark; null when it has none. Does not ereport.
const char* read_mark(const char* folder) {
    const int file = open(mark_path(folder), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return errno == EMFILE || errno == ENFILE ? "" : nullptr;  // a mark that can't be known is no own one
    char* text = static_cast<char*>(palloc0(MAXPGPATH + 100));
    const ssize_t size = read(file, text, MAXPGPATH + 99);
    close(file);
    return size > 0 ? text : nullptr;  // an empty one is a power loss's
}

bool write_mark(const char* folder) {
    const char* temporary = psprintf("%s.%d", mark_path(folder), MyProcPid);
    FILE* file = AllocateFile(temporary, "w");
    if (!file) return false;
    const bool written =
        fputs(own_mark(folder), file) >= 0 && fflush(file) == 0 && pg_fsync(fileno(file)) == 0;
    return FreeFile(file) == 0 && written && rename(temporary, mark_path(folder)) == 0;
}

bool is_mark(const char* name) { return strncmp(name, kMarkName, strlen(kMarkName)) == 0; }

/// Calls `visit(name)` for each entry until it returns false; false when one did. Does not ereport.
template <typename Visit>
bool for_each_entry(const char* folder, Visit visit) {
    DIR* directory = opendir(folder);
    if (!directory) return true;
    bool go_on = true;
    while (const struct dirent* entry = go_on ? readdir(directory) : nullptr)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) go_on = visit(entry->d_name);
    closedir(directory);
    return go_on;
}

bool is_empty(const char* folder) {
    return for_each_entry(folder, [](const char* name) { return is_mark(name); });
}

bool is_folder(const char* path) {
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_number(const char* name) { return name[0] != '\0' && strspn(name, "0123456789") == strlen(name); }

/// Whether a folder without a mark may become seqrec's: an empty one, and what 0.1.0, which left no marks,
/// made at the default place.
bool may_adopt(const char* folder) { return is_empty(folder) || strcmp(settings::directory, kDefault) == 0; }

const char* foreign(const char* folder) {
    return psprintf("folder \"%s\" is not empty and was not made by seqrec", folder);
}

const char* others(const char* folder, const char* mark) {
    const char* owner = strchr(mark, '\n');
    return psprintf("folder \"%s\" belongs to another server: %s", folder,
                    owner ? pstrdup(owner + 1) : "its mark is damaged");
}

/// Whose a folder is, when it is not this server's and may not become it; else null.
const char* other_owner(const char* folder) {
    const char* mark = read_mark(folder);
    if (mark) return strcmp(mark, own_mark(folder)) == 0 ? nullptr : others(folder, mark);
    return may_adopt(folder) ? nullptr : foreign(folder);
}

const char* not_usable(const char* what, const char* folder) {
    return psprintf("could not %s folder \"%s\": %s", what, folder, strerror(errno));
}

/// Makes and marks one of the two folders; what is in the way, or null.
const char* claim(const char* folder) {
    struct stat status;
    if (stat(folder, &status) != 0 && pg_mkdir_p(pstrdup(folder), pg_dir_create_mode) != 0)
        return not_usable("create", folder);
    if (const char* owner = other_owner(folder)) return owner;
    if (access(psprintf("%s/.", folder), R_OK | W_OK | X_OK) != 0) return not_usable("write into", folder);
    return read_mark(folder) || write_mark(folder) ? nullptr : not_usable("write into", folder);
}

/// A path without its last name; null when there is no more than that.
const char* without_last_name(const char* path) {
    const char* slash = strrchr(path, '/');
    return slash ? pnstrdup(path, static_cast<Size>(slash - path)) : nullptr;
}

const char* last_name(const char* path) {
    const char* slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/// The folder of a database that a path lies in: the innermost one whose name is a number; null without one.
const char* database_folder_of(const char* path) {
    const char* folder = without_last_name(path);
    while (folder && !is_number(last_name(folder))) folder = without_last_name(folder);
    return folder;
}

bool database_exists(const char* oid) {
    const RoleScope scope = spi_enter();
    const bool exists = run_sql("SELECT 1 FROM pg_database WHERE oid::text = $1", {text_param(oid)}) == 1;
    spi_leave(scope);
    return exists;
}

}  // namespace

bool begins_with_uuid(const char* text) {
    for (std::size_t i = 0; i < kUuidLength; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !hex) return false;  // a text's end is neither
    }
    return true;
}

const char* database_folder_path() { return psprintf("%s/%u", settings::directory, MyDatabaseId); }

const char* foreign_folder() {
    const char* problem = other_owner(settings::directory);
    return problem ? problem : other_owner(database_folder_path());
}

const char* folder_problem() {
    const char* problem = claim(settings::directory);
    return problem ? problem : claim(database_folder_path());
}

const char* database_folder() {
    // Where it lies, and whose it is, is for who may look at the server's files; the log has it.
    if (const char* problem = folder_problem())
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("the folder of seqrec's files can't be used"),
             superuser() ? errdetail("%s", problem) : errdetail_log("%s", problem),
             errhint("seqrec.directory must name a folder of this server alone: an empty one, or one that "
                     "does not exist yet and that the server may make. All that seqrec keeps there but "
                     "the files of running jobs can be made again.")));
    return database_folder_path();
}

namespace {

/// ".tmp." and a process id, as writers name what is not whole yet.
bool is_temporary_suffix(const char* text) { return strncmp(text, ".tmp.", 5) == 0 && is_number(text + 5); }

bool is_job_folder(const char* name) {
    if (strncmp(name, kJobPrefix, strlen(kJobPrefix)) != 0) return false;
    const char* uuid = name + strlen(kJobPrefix);
    return begins_with_uuid(uuid) && uuid[kUuidLength] == '\0';
}

bool is_snapshot_file(const char* name) {
    if (!begins_with_uuid(name) || strncmp(name + kUuidLength, kSnapshotSuffix, strlen(kSnapshotSuffix)) != 0)
        return false;
    const char* rest = name + kUuidLength + strlen(kSnapshotSuffix);
    for (const char* suffix : {kStampSuffix, kFailureSuffix})
        if (strncmp(rest, suffix, strlen(suffix)) == 0) rest += strlen(suffix);
    return *rest == '\0' || is_temporary_suffix(rest);
}

}  // namespace

bool is_own_name(const char* name) { return is_job_folder(name) || is_snapshot_file(name); }

const char* owner_of_path(const char* path) {
    const char* folder = database_folder_of(path);
    const char* base = folder ? without_last_name(folder) : nullptr;
    if (!base) return psprintf("\"%s\" lies in no folder of seqrec's", path);
    const char* owner = other_owner(base);
    return owner ? owner : other_owner(folder);
}

void remove_own(const char* path) {
    struct stat status;
    if (lstat(path, &status) != 0 || owner_of_path(path)) return;
    (void)(S_ISDIR(status.st_mode) ? rmtree(path, true) : unlink(path) == 0);
}

void remove_database_folder(const char* path) {
    if (owner_of_path(mark_path(path))) return;
    const char* mark = is_folder(path) ? read_mark(path) : nullptr;
    if (!mark || strcmp(mark, own_mark(path)) != 0) return;
    for_each_entry(path, [&](const char* name) {
        if (is_own_name(name)) remove_own(psprintf("%s/%s", path, name));
        return true;
    });
    if (!is_empty(path)) return;  // somebody put something there
    (void)unlink(mark_path(path));
    (void)rmdir(path);
}

void remove_folders_of_dropped_databases() {
    DIR* directory = AllocateDir(settings::directory);
    while (const struct dirent* entry = ReadDir(directory, settings::directory))
        // One that was listed before the query's snapshot was taken belongs to a database that it sees, or to
        // none.
        if (is_number(entry->d_name) && !database_exists(entry->d_name))
            remove_database_folder(psprintf("%s/%s", settings::directory, entry->d_name));
    FreeDir(directory);
}

}  // namespace seqrec
