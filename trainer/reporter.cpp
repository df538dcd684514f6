#include "reporter.hpp"

#include <cstdio>

namespace seqrec::trainer {
namespace {

using namespace std::chrono_literals;

void print_line(const char* name, nlohmann::json fields) {
    fields["event"] = name;
    const std::string line = fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}

}  // namespace

Reporter::Reporter() : thread_([this] { heartbeat(); }) {}

Reporter::~Reporter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void Reporter::progress(nlohmann::json fields) {
    const std::lock_guard lock(mutex_);
    const bool new_phase = latest_.is_null() || latest_["phase"] != fields["phase"];
    latest_ = std::move(fields);
    if (new_phase || std::chrono::steady_clock::now() - printed_ >= 200ms) print_progress();
}

void Reporter::event(const char* name, nlohmann::json fields) {
    const std::lock_guard lock(mutex_);
    print_line(name, std::move(fields));
}

void Reporter::print_progress() {
    print_line("progress", latest_);
    printed_ = std::chrono::steady_clock::now();
}

void Reporter::heartbeat() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        wake_.wait_for(lock, 100ms);
        if (!stopping_ && !latest_.is_null() && std::chrono::steady_clock::now() - printed_ >= 800ms)
            print_progress();
    }
}

}  // namespace seqrec::trainer
