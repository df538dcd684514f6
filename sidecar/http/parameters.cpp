#include "http/parameters.hpp"

#include <algorithm>
#include <charconv>

#include "http/problem.hpp"

namespace seqrec::sidecar {
namespace {

bool continues(std::string_view text, std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

/// Length of the UTF-8 character at the beginning; 0 for what is none (overlong, surrogate, out of range).
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    if (byte(0) < 0x80) return byte(0) == 0 ? 0 : 1;
    if (byte(0) < 0xc2 || byte(0) > 0xf4 || !continues(text, 1)) return 0;
    if (byte(0) < 0xe0) return 2;
    if (!continues(text, 2)) return 0;
    if (byte(0) == 0xe0 && byte(1) < 0xa0) return 0;
    if (byte(0) == 0xed && byte(1) > 0x9f) return 0;
    if (byte(0) < 0xf0) return 3;
    if (!continues(text, 3)) return 0;
    if (byte(0) == 0xf0 && byte(1) < 0x90) return 0;
    if (byte(0) == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
}

bool is_text(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string decoded_or_refused(std::string_view part) {
    std::string spaced(part);
    std::ranges::replace(spaced, '+', ' ');
    auto text = percent_decoded(spaced);
    if (!text) throw Problem(400, "malformed-request", "the query part is not percent-encoded UTF-8");
    return *std::move(text);
}

}  // namespace

const std::string* Parameters::find(std::string_view name) const {
    const auto found =
        std::ranges::find(pairs_, name, [](const auto& pair) -> std::string_view { return pair.first; });
    return found == pairs_.end() ? nullptr : &found->second;
}

std::vector<std::string> Parameters::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [own, value] : pairs_)
        if (own == name) values.push_back(value);
    return values;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            result.push_back(text[at]);
            continue;
        }
        const auto digits = text.substr(at + 1, 2);
        unsigned char byte = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return std::nullopt;
        result.push_back(static_cast<char>(byte));
        at += 2;
    }
    if (!is_text(result)) return std::nullopt;
    return result;
}

Parameters parse_query(std::string_view query) {
    Parameters parameters;
    while (!query.empty()) {
        const auto part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), part.size() + 1));
        if (part.empty()) continue;
        if (parameters.size() == kMaxParameters)
            throw Problem(400, "malformed-request",
                          "the query part has more than " + std::to_string(kMaxParameters) + " parameters");
        const auto equals = part.find('=');
        const auto value = equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
        parameters.add(decoded_or_refused(part.substr(0, equals)), decoded_or_refused(value));
    }
    return parameters;
}

}  // namespace seqrec::sidecar
