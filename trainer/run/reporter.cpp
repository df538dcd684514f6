#include "run/reporter.hpp"

#include <cstdio>
#include <new>

namespace seqrec::trainer {
namespace {

using namespace std::chrono_literals;

void print_text(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}

void print_line(const char* name, nlohmann::json fields) {
    fields["event"] = name;
    print_text(fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

Reporter::~Reporter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Reporter::progress(nlohmann::json fields) {
    const std::lock_guard lock(mutex_);
    const bool new_phase = latest_.is_null() || latest_["phase"] != fields["phase"];
    latest_ = std::move(fields);
    if (new_phase || std::chrono::steady_clock::now() - printed_ >= 200ms) print_progress();
    if (!thread_.joinable()) thread_ = std::thread([this] { heartbeat(); });
}

void Reporter::event(const char* name, nlohmann::json fields) {
    const std::lock_guard lock(mutex_);
    print_line(name, std::move(fields));
}

void Reporter::line(std::string_view text) {
    const std::lock_guard lock(mutex_);
    print_text(text);
}

void Reporter::print_progress() {
    print_line("progress", latest_);
    printed_ = std::chrono::steady_clock::now();
}

void Reporter::repeat() {
    try {
        print_progress();
    } catch (const std::bad_alloc&) {
        // The threads that train find out as well, and can tell.
    }
}

void Reporter::heartbeat() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        wake_.wait_for(lock, 100ms);
        if (!stopping_ && std::chrono::steady_clock::now() - printed_ >= 800ms) repeat();
    }
}

}  // namespace seqrec::trainer
