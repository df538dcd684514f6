#include "run/job.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "core/error.hpp"
#include "run/memory_errors.hpp"
#include "run/stop.hpp"
#include "torch.hpp"

namespace seqrec::trainer {
namespace {

/// Written beforehand: there may be no memory to make it when it is needed.
constexpr std::string_view kOutOfMemory =
    R"({"event":"error","sqlstate":"53200","message":"out of memory while training",)"
    R"("hint":"Give the trainer more memory, or lower threads and what the kind's options make large."})"
    "\n";

void fail(Reporter& reporter, const char* state, const std::string& message, const std::string& hint) {
    reporter.event("error", {{"sqlstate", state}, {"message", message}, {"hint", hint}});
}

void report(Reporter& reporter, const std::exception& error) {
    if (is_out_of_memory(error)) return reporter.line(kOutOfMemory);
    if (const auto* own = dynamic_cast<const Error*>(&error))
        return fail(reporter, own->sqlstate.c_str(), own->what(), own->hint);
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    fail(reporter, sqlstate::kInternal, torch ? torch->what_without_backtrace() : error.what(), "");
}

int run(const std::string& path, void (*work)(const Job&, Reporter&)) {
    Reporter reporter;
    try {
        reporter.progress(
            {{"phase", "loading"}, {"percent", 0}});  // first: who reads it then limits the memory
        work(read_job(path), reporter);
        return 0;
    } catch (const Stopped&) {
        return 143;
    } catch (const std::exception& error) {
        report(reporter, error);
        return 1;
    }
}

std::atomic<bool> running = false;

/// libgomp calls exit(), in any thread, when it gets no memory. Destructors are then no safe thing to run.
void leave(int status, void*) {
    if (running) std::fwrite(kOutOfMemory.data(), 1, kOutOfMemory.size(), stdout);
    std::fflush(stdout);
    ::_exit(status);
}

}  // namespace

int run_job(const std::string& path, void (*work)(const Job&, Reporter&)) {
    ::on_exit(leave, nullptr);
    running = true;
    const int status = run(path, work);
    running = false;
    return status;
}

}  // namespace seqrec::trainer
