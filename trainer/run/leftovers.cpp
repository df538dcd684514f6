#include "run/leftovers.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

namespace seqrec::trainer {
namespace {

namespace fs = std::filesystem;

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// `text` where it is `before` and a number: what comes before; nothing else is.
std::string_view without_number(std::string_view text, std::string_view before) {
    const std::size_t at = text.rfind(before);
    const bool found = at != std::string_view::npos && is_number(text.substr(at + before.size()));
    return found ? text.substr(0, at) : std::string_view();
}

/// Removes the files beside `path` whose final name would be one that `is_ours` takes.
template <typename IsOurs>
void remove_beside(const fs::path& path, IsOurs is_ours) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::error_code ignored;  // whoever writes there will tell
    std::vector<fs::path> left;
    for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored))
        if (entry->is_regular_file(ignored) &&
            is_ours(without_number(entry->path().filename().string(), ".tmp.")))
            left.push_back(entry->path());
    for (const fs::path& file : left) fs::remove(file, ignored);
}

}  // namespace

void remove_leftovers(const std::string& model, const std::string& checkpoint) {
    const std::string model_name = fs::path(model).filename(), name = fs::path(checkpoint).filename();
    if (!model_name.empty()) remove_beside(model, [&](std::string_view file) { return file == model_name; });
    if (!name.empty())
        remove_beside(checkpoint, [&](std::string_view file) { return without_number(file, ".") == name; });
}

}  // namespace seqrec::trainer
