#include "run/stop.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <exception>

namespace seqrec::trainer {
namespace {

std::atomic<bool> writing = false, asked = false;

extern "C" void on_signal(int signal) {
    asked = true;
    if (!writing) ::_exit(128 + signal);
}

}  // namespace

void stop_on_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
}

WriteGuard::WriteGuard() { writing = true; }
WriteGuard::~WriteGuard() {
    writing = false;
    if (asked && std::uncaught_exceptions() == 0) ::_exit(128 + SIGTERM);  // asked after the last check
}
void WriteGuard::check() const {
    if (asked) throw Stopped{};
}

}  // namespace seqrec::trainer
