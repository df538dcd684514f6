#include "api/language.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

namespace seqrec::sidecar {
namespace {

constexpr std::size_t kLongestTag = 35;  // as BCP 47 has it

/// What the header says of one language.
struct Wanted {
    std::string_view tag;
    double quality;
};

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
    return begin == text.npos ? std::string_view() : text.substr(begin, end - begin + 1);
}

/// "tag;q=0.8"; without q it is 1, and 0 when q is no number.
Wanted wanted_of(std::string_view part) {
    const auto semicolon = part.find(';');
    Wanted wanted{trimmed(part.substr(0, semicolon)), 1};
    if (semicolon == part.npos) return wanted;
    const std::string_view parameter = trimmed(part.substr(semicolon + 1));
    wanted.quality = 0;
    if (parameter.starts_with("q="))
        std::from_chars(parameter.data() + 2, parameter.data() + parameter.size(), wanted.quality);
    return wanted;
}

std::vector<Wanted> all_wanted(std::string_view header) {
    std::vector<Wanted> all;
    while (!header.empty()) {
        const auto comma = std::min(header.find(','), header.size());
        const Wanted wanted = wanted_of(header.substr(0, comma));
        if (is_language_tag(wanted.tag) && wanted.quality > 0 && wanted.quality <= 1) all.push_back(wanted);
        header.remove_prefix(std::min(comma + 1, header.size()));
    }
    std::ranges::stable_sort(all, std::greater(), &Wanted::quality);
    return all;
}

bool is_built_in(const Wanted& wanted) {
    const auto is = [&](std::string_view language) {
        return std::ranges::equal(wanted.tag.substr(0, wanted.tag.find_first_of("-_")), language, {},
                                  [](unsigned char c) { return std::tolower(c); });
    };
    return is("en") || is("zh");
}

}  // namespace

bool is_language_tag(std::string_view text) {
    if (text.empty() || text.size() > kLongestTag) return false;
    bool first = true;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of("-_"), text.size());
        const std::string_view part = text.substr(0, end);
        const auto fits = [&](unsigned char c) { return first ? std::isalpha(c) : std::isalnum(c); };
        if (part.size() < (first ? 2 : 1) || part.size() > 8 || !std::ranges::all_of(part, fits))
            return false;
        if (end + 1 == text.size()) return false;  // ends in a separator
        text.remove_prefix(std::min(end + 1, text.size()));
        first = false;
    }
    return true;
}

std::string preferred_language(std::string_view header) {
    const auto all = all_wanted(header);
    if (all.empty()) return "";
    const auto found = std::ranges::find_if(all, is_built_in);
    return std::string(found == all.end() ? all.front().tag : found->tag);
}

}  // namespace seqrec::sidecar
