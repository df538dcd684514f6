#include "api/timing.hpp"

#include <array>
#include <cstdio>

namespace seqrec::sidecar {

std::string server_timing(const Timing& timing, std::chrono::steady_clock::time_point begun) {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    const Milliseconds waited = timing.waited, answered = timing.answered;
    const Milliseconds total = std::chrono::steady_clock::now() - begun;
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "queue;dur=%.3f, db;dur=%.3f, total;dur=%.3f", waited.count(),
                  answered.count(), total.count());
    return text.data();
}

}  // namespace seqrec::sidecar
