#include "serving/snapshot_failure.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/data_folder.hpp"
#include "serving/snapshot_files.hpp"
#include "serving/snapshot_stamp.hpp"

extern "C" {
#include "storage/fd.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr std::size_t kMostNote = 8192;
constexpr long kLeastPause = 2, kMostPause = 60;  // seconds
constexpr long kPauses =
    10;  // as long as an attempt takes: that share of the time is lost where all of them fail

/// What stands in a note: texts with a zero byte behind each.
enum Field { kPause, kSqlstate, kMessage, kDetail, kHint, kFields };

struct Note {
    const char* fields[kFields];
    std::time_t until;
};

const char* note_path(const char* version) {
    return psprintf("%s%s", snapshot_path(version), kFailureSuffix);
}

/// Null where there is none, or none of this server's present life: a restart may have mended what it tells of.
const Note* read_note(const char* version) {
    FILE* file = AllocateFile(note_path(version), "r");
    if (!file) return nullptr;
    struct stat status;
    const bool found = fstat(fileno(file), &status) == 0;
    char* text = static_cast<char*>(palloc0(kMostNote + 1));
    const std::size_t size = fread(text, 1, kMostNote, file);
    FreeFile(file);
    if (owner_of_path(note_path(version))) return nullptr;  // another server's attempt
    if (!found || status.st_mtime < timestamptz_to_time_t(PgStartTime)) return nullptr;
    Note* note = static_cast<Note*>(palloc0(sizeof(Note)));
    const char *at = text, *end = text + size;
    for (const char*& field : note->fields) {
        if (at >= end) return nullptr;
        field = at;
        at += strlen(at) + 1;
    }
    note->until = status.st_mtime + atol(note->fields[kPause]);
    return note;
}

/// For how many seconds nobody tries yet; 0 when somebody may. A clock that was set back holds nobody up.
int seconds_left(const Note& note) {
    const std::time_t left = note.until - std::time(nullptr);
    return left > 0 && left <= kMostPause ? static_cast<int>(left) : 0;
}

const char* or_nothing(const char* text) { return text ? text : ""; }

int code_of(const Note& note) {
    const char* code = note.fields[kSqlstate];
    return strlen(code) == 5 ? MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])
                             : ERRCODE_INTERNAL_ERROR;
}

[[noreturn]] void raise_told(const Note& note, const char* when) {
    const char *detail = note.fields[kDetail], *hint = note.fields[kHint];
    ereport(
        ERROR,
        (errcode(code_of(note)), errmsg("%s", note.fields[kMessage]), detail[0] ? errdetail("%s", detail) : 0,
         errhint("%s%sThe model's snapshot could not be built.%s", hint, hint[0] ? " " : "", when)));
    pg_unreachable();
}

[[noreturn]] void raise_plain(std::int64_t model_id, int code, const char* when) {
    ereport(
        ERROR,
        (errcode(code), errmsg("the snapshot of model version " INT64_FORMAT " could not be built", model_id),
         errhint("The model's owner, who sees all jobs and the server's log are told why.%s", when)));
    pg_unreachable();
}

}  // namespace

bool failed_recently(const char* version) {
    const Note* note = read_note(version);
    return note && seconds_left(*note) > 0;
}

void raise_recent_failure(std::int64_t model_id, const char* version) {
    const Note* note = read_note(version);
    const int seconds = note ? seconds_left(*note) : 0;
    if (seconds <= 0) return;
    const char* when = psprintf(
        " The next attempt is made by whoever asks in %d seconds, or at once by seqrec_prewarm.", seconds);
    if (may_know_failures(version)) raise_told(*note, when);
    raise_plain(model_id, code_of(*note), when);
}

bool may_know_failures(const char* version) {
    if (superuser()) return true;
    const Oid user = GetUserId();
    const RoleScope scope = spi_enter();
    const bool may = run_sql(
                         R"sql(
SELECT FROM seqrec.models m
WHERE m.version = $1::uuid
  AND (EXISTS (SELECT FROM pg_roles r WHERE r.oid = m.owner::oid AND pg_has_role($2::oid, r.oid, 'USAGE'))
       OR has_function_privilege($2::oid, 'seqrec.sees_all_jobs()', 'EXECUTE') OR pg_has_role($2::oid, 'pg_monitor', 'USAGE'))
)sql",
                         {text_param(version), role_param(user)}, true) == 1;
    spi_leave(scope);
    return may;
}

void warn_of(const char* version, int code, const char* what, const char* why, const char* hint) {
    if (may_know_failures(version)) {
        ereport(WARNING, (errcode(code), errmsg("%s", what), errdetail("%s", why), errhint("%s", hint)));
        return;
    }
    ereport(LOG_SERVER_ONLY, (errcode(code), errmsg("%s", what), errdetail("%s", why)));
    ereport(WARNING, (errcode(code), errmsg("%s", what),
                      errhint("The model's owner, who sees all jobs and the server's log are told why.")));
}

void raise_untold(std::int64_t model_id, const ErrorData& error) {
    ereport(LOG_SERVER_ONLY,
            (errcode(error.sqlerrcode),
             errmsg("the snapshot of model version " INT64_FORMAT " could not be built: %s", model_id,
                    or_nothing(error.message)),
             error.detail ? errdetail("%s", error.detail) : 0, error.hint ? errhint("%s", error.hint) : 0));
    raise_plain(model_id, error.sqlerrcode, "");
}

void note_failure(const char* version, const ErrorData& error, long milliseconds) {
    const long pause = std::clamp(kPauses * milliseconds / 1000, kLeastPause, kMostPause);
    const char* path = note_path(version);
    guarded([&] {
        const std::array<std::string, kFields> fields{
            std::to_string(pause), unpack_sql_state(error.sqlerrcode), or_nothing(error.message),
            or_nothing(error.detail), or_nothing(error.hint)};
        std::string text;
        for (const std::string& field : fields) (text += field) += '\0';
        if (text.size() <= kMostNote) leave_file(path, text);
    });
}

void forget_failure(const char* version) { remove_own(note_path(version)); }

}  // namespace seqrec
