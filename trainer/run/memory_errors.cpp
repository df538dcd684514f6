#include "run/memory_errors.hpp"

#include <algorithm>
#include <new>
#include <string_view>
#include <system_error>

#include "torch.hpp"

namespace seqrec::trainer {
namespace {

/// What libtorch's allocators say, and strerror(ENOMEM) in the messages of core/.
constexpr std::string_view kTexts[] = {"not enough memory", "can't allocate memory", "Cannot allocate memory",
                                       "CUDA out of memory", "CUDA error: out of memory"};

/// The message, without the names in a backtrace.
std::string_view text_of(const std::exception& error) {
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    return torch ? torch->what_without_backtrace() : error.what();
}

bool is_about_memory(const std::error_code& code) {
    return code == std::errc::not_enough_memory || code == std::errc::resource_unavailable_try_again;
}

}  // namespace

bool is_out_of_memory(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error)) return true;
    if (const auto* system = dynamic_cast<const std::system_error*>(&error))
        return is_about_memory(system->code());
    const std::string_view text = text_of(error);
    return std::any_of(std::begin(kTexts), std::end(kTexts),
                       [&](std::string_view one) { return text.find(one) != std::string_view::npos; });
}

}  // namespace seqrec::trainer
