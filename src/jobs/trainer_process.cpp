#include "jobs/trainer_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pg/boundary.hpp"
#include "pg/settings.hpp"

extern "C" {
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
}

namespace seqrec {
namespace {

constexpr int kMostLine = 1 << 20;  // a longer line is a bug of the trainer, not a reason to grow
constexpr int kMostDetail = 2000;   // of the trainer's standard error, in a job's row
constexpr long kEndPollMilliseconds = 10;
constexpr const char* kPassedOn[] = {"PATH",   "LD_LIBRARY_PATH",      "TMPDIR", "LANG",
                                     "LC_ALL", "CUDA_VISIBLE_DEVICES", "TZ",     "SEQREC_ISA"};
// The trainer has threads of its own: libraries that start more while they load take memory, and some hang
// without.
constexpr const char* kSet[] = {"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"};

pid_t running = 0;
int output = -1;
StringInfo received = nullptr;
int taken = 0;         // bytes of `received` already handed out
bool limited = false;  // the memory of the running trainer

/// When the trainer last did something: said something new, or used its processors.
struct Life {
    TimestampTz at;
    long cpu_ms;
    std::uint32_t line;  // a hash of the last one
};
Life life;
constexpr long kIdleShare =
    100;  // of a trainer that works, the processors' share of the time is above a hundredth

/// What the child needs, laid out before the fork: after it only async-signal-safe calls are allowed.
struct Launch {
    const char* path;
    char* arguments[4];
    char* environment[lengthof(kPassedOn) + lengthof(kSet) + 1];
    int output, errors;
    pid_t parent;
};

void write_small_file(const char* path, const char* text) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    (void)!write(file, text, strlen(text));
    close(file);
}

[[noreturn]] void become_trainer(const Launch& launch) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launch.parent) _exit(126);  // the parent died before prctl
    write_small_file("/proc/self/oom_score_adj", "1000");
    (void)!nice(settings::trainer_nice);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(launch.output, STDOUT_FILENO);
    dup2(launch.errors, STDERR_FILENO);
    // PostgreSQL marks its own descriptors close-on-exec; whatever a library left open goes here.
    close_range(3, ~0U, 0);
    execve(launch.path, launch.arguments, launch.environment);
    _exit(127);
}

void prepare(Launch* launch, const char* path, const char* command, const char* job_path) {
    launch->path = path;
    launch->arguments[0] = pstrdup(path);
    launch->arguments[1] = pstrdup(command);
    launch->arguments[2] = pstrdup(job_path);
    launch->arguments[3] = nullptr;
    int count = 0;
    for (const char* name : kPassedOn)
        if (const char* value = getenv(name)) launch->environment[count++] = psprintf("%s=%s", name, value);
    for (const char* setting : kSet) launch->environment[count++] = pstrdup(setting);
    launch->environment[count] = nullptr;
    launch->parent = getpid();
}

void kill_at_exit(int, Datum) { kill_trainer(); }

void prepare_reading(int descriptor) {
    static bool registered = false;
    if (!registered) before_shmem_exit(kill_at_exit, (Datum)0);
    registered = true;
    if (!received) {
        const MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
        received = makeStringInfo();
        MemoryContextSwitchTo(before);
    }
    resetStringInfo(received);
    taken = 0;
    limited = false;
    life = {GetCurrentTimestamp(), 0, 0};
    output = descriptor;
    fcntl(output, F_SETFL, O_NONBLOCK);
}

/// A whole line out of what has been received, or null.
const char* take_line() {
    char* start = received->data + taken;
    char* end = static_cast<char*>(memchr(start, '\n', static_cast<std::size_t>(received->len - taken)));
    if (!end) return nullptr;
    *end = '\0';
    taken = static_cast<int>(end - received->data) + 1;
    return start;
}

void forget_taken() {
    received->len -= taken;
    memmove(received->data, received->data + taken, static_cast<std::size_t>(received->len));
    received->data[received->len] = '\0';
    taken = 0;
}

/// Reads what there is; false at the end of the output.
bool receive_more() {
    forget_taken();
    if (received->len > kMostLine)
        ereport(ERROR,
                (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("the trainer sent a line that is too long"),
                 errhint("Is seqrec.trainer the program that came with this extension?")));
    char buffer[8192];
    const ssize_t count = read(output, buffer, sizeof buffer);
    if (count > 0) appendBinaryStringInfo(received, buffer, static_cast<int>(count));
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not read from the trainer: %m")));
    return count != 0;
}

[[noreturn]] void report_silence() {
    ereport(ERROR,
            (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
             errmsg("the trainer has done nothing for %d seconds and was ended", settings::trainer_silence),
             errhint("It may hang, or its machine may be overloaded. Start the training again; "
                     "seqrec.trainer_silence sets how long to wait.")));
    pg_unreachable();
}

void wait_for_output() {
    const long limit = settings::trainer_silence > 0 ? settings::trainer_silence * 1000L : -1;
    const TimestampTz since = GetCurrentTimestamp();
    for (;;) {
        const long waited = TimestampDifferenceMilliseconds(since, GetCurrentTimestamp());
        if (limit >= 0 && waited >= limit) report_silence();
        const int events = WaitLatchOrSocket(
            MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH | (limit >= 0 ? WL_TIMEOUT : 0),
            output, limit >= 0 ? limit - waited : -1, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        if (events & WL_SOCKET_READABLE) return;
    }
}

/// What the trainer has used of its processors, all threads together; 0 when it is gone.
long cpu_ms() {
    FILE* file = AllocateFile(psprintf("/proc/%d/stat", running), "r");
    if (!file) return 0;
    char text[1024] = {};
    (void)!fread(text, 1, sizeof text - 1, file);
    FreeFile(file);
    const char* fields = strrchr(text, ')');  // the program's name, in parentheses, may hold anything
    unsigned long user = 0, system = 0;
    if (fields)
        (void)sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return static_cast<long>((user + system) * 1000 / static_cast<unsigned long>(sysconf(_SC_CLK_TCK)));
}

/// A thread of the trainer's own repeats its last line every second: of one that hangs, nothing else moves.
void watch_life(const char* line) {
    const TimestampTz now = GetCurrentTimestamp();
    const long idle_ms = TimestampDifferenceMilliseconds(life.at, now), cpu = cpu_ms();
    const auto hash = static_cast<std::uint32_t>(
        hash_bytes(reinterpret_cast<const unsigned char*>(line), static_cast<int>(strlen(line))));
    if (hash != life.line || cpu - life.cpu_ms > idle_ms / kIdleShare) life = {now, cpu, hash};
    if (settings::trainer_silence > 0 &&
        TimestampDifferenceExceeds(life.at, now, settings::trainer_silence * 1000))
        report_silence();
}

/// Set on the running process: libraries that can't get memory while they load hang instead of failing,
/// before a line of the trainer's own code has run.
void limit_memory() {
    if (settings::trainer_memory == 0) return;
    const rlim_t bytes = static_cast<rlim_t>(settings::trainer_memory) * 1024;
    const struct rlimit limit = {bytes, bytes};
    if (prlimit(running, RLIMIT_DATA, &limit, nullptr) != 0)
        ereport(WARNING, (errcode(ERRCODE_SYSTEM_ERROR), errmsg("could not limit the trainer's memory: %m")));
}

/// The end of the trainer's standard error, or null when it said nothing.
char* log_tail(const char* path) {
    FILE* file = AllocateFile(path, "r");
    if (!file) return nullptr;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    fseek(file, size > kMostDetail ? size - kMostDetail : 0, SEEK_SET);
    char* text = static_cast<char*>(palloc0(kMostDetail + 1));
    const std::size_t count = fread(text, 1, kMostDetail, file);
    FreeFile(file);
    if (count == 0) return nullptr;
    // The trainer writes what it likes; the job's row must be valid text.
    for (std::size_t i = 0; i < count; ++i)
        if (static_cast<unsigned char>(text[i]) >= 0x80 || text[i] == '\0') text[i] = '?';
    return text;
}

/// What libraries print when they end a process that got no memory.
bool tells_of_memory(const char* tail) {
    for (const char* words :
         {"bad_alloc", "llocate memory", "ut of memory", "emory allocation", "not enough memory"})
        if (tail && strstr(tail, words)) return true;
    return false;
}

[[noreturn]] void report_signal(int number, const char* tail) {
    const bool killed = number == SIGKILL || tells_of_memory(tail);
    ereport(ERROR,
            (errcode(killed ? ERRCODE_OUT_OF_MEMORY : ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
             errmsg("the trainer was terminated by signal %d: %s", number, pg_strsignal(number)),
             tail ? errdetail("It said: %s", tail) : 0,
             killed ? errhint("The system, or what seqrec.trainer_memory allows, may have run out. Smaller "
                              "values of the options that make the model large need less.")
                    : errhint("Nothing but this job is affected. Please report it with the server's log.")));
    pg_unreachable();
}

}  // namespace

const char* trainer_path() {
    const char* path = settings::trainer;
    if (path[0] == '\0') {
        char folder[MAXPGPATH];
        strlcpy(folder, my_exec_path, sizeof folder);
        get_parent_directory(folder);
        path = psprintf("%s/seqrec-trainer", folder);
    }
    if (access(path, X_OK) != 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FILE), errmsg("could not run the trainer \"%s\": %m", path),
                        errhint("Install seqrec-trainer there, or set seqrec.trainer to its path.")));
    return path;
}

void start_trainer(const char* command, const char* job_path, const char* log_path) {
    Launch launch;
    prepare(&launch, trainer_path(), command, job_path);
    launch.errors = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int ends[2];
    if (launch.errors < 0 || pipe2(ends, O_CLOEXEC) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not prepare the trainer's output: %m"),
                        errhint("seqrec.directory must name a folder that the server may write.")));
    launch.output = ends[1];
    prepare_reading(ends[0]);
    running = fork();
    if (running == 0) become_trainer(launch);
    const int reason = errno;
    close(ends[1]);
    close(launch.errors);
    errno = reason;
    if (running < 0) {
        running = 0;
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not start the trainer: %m"),
                        errhint("The system may be out of processes or memory. Start the training again.")));
    }
}

bool next_trainer_line(const char** line) {
    for (;;) {
        *line = take_line();
        if (*line) {
            if (!limited) limit_memory();
            limited = true;
            watch_life(*line);
            return true;
        }
        wait_for_output();
        if (!receive_more()) return false;
    }
}

void finish_trainer(const char* log_path) {
    int status = 0;
    const TimestampTz since = GetCurrentTimestamp();
    // It has closed its output, but may still hang: the wait must hear a cancel, and end.
    while (waitpid(running, &status, WNOHANG) == 0) {
        if (settings::trainer_silence > 0 &&
            TimestampDifferenceExceeds(since, GetCurrentTimestamp(), settings::trainer_silence * 1000))
            report_silence();
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kEndPollMilliseconds,
                        PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
    running = 0;
    close(output);
    output = -1;
    const char* tail = log_tail(log_path);
    if (WIFSIGNALED(status)) report_signal(WTERMSIG(status), tail);
    if (WEXITSTATUS(status) != 0)
        ereport(
            ERROR,
            (errcode(tells_of_memory(tail) ? ERRCODE_OUT_OF_MEMORY : ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
             errmsg("the trainer ended with exit status %d", WEXITSTATUS(status)),
             tail ? errdetail("It said: %s", tail) : 0,
             errhint(WEXITSTATUS(status) == 127 ? "Run \"seqrec-trainer --version\" to see what it misses."
                                                : "The server's log may say more.")));
}

void kill_trainer() {
    if (running > 0) {
        kill(running, SIGKILL);
        kill(-running, SIGKILL);  // whatever it started
        int status;
        while (waitpid(running, &status, 0) < 0 && errno == EINTR) continue;
        running = 0;
    }
    if (output >= 0) close(output);
    output = -1;
}

}  // namespace seqrec
