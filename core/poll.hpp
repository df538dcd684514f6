// How long loops give their caller a chance to stop them.
#pragma once

#include <cstdint>
#include <functional>

namespace seqrec {

/// Called now and then during long loops; may throw to stop them. An empty one is never called.
/// 长循环中不时调用；可抛出异常以中止。为空则不调用。
using Poll = std::function<void()>;

/// Steps of a cheap loop between two calls of a Poll.
/// 廉价循环中两次 Poll 之间的步数。
inline constexpr std::int64_t kPollEvery = 4096;

}  // namespace seqrec
