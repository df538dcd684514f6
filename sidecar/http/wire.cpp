#include "http/wire.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <cstdio>
#include <ctime>
#include <random>

namespace seqrec::sidecar {
namespace {

constexpr std::size_t kMaxRequestId = 128;
constexpr unsigned kNoContent = 204;
constexpr unsigned kNotModified = 304;

/// The Date header's value; made once a second.
const std::string& http_date() {
    thread_local std::time_t made_at = -1;
    thread_local std::string text;
    const std::time_t now = std::time(nullptr);
    if (now == made_at) return text;
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 40> buffer{};
    // The program never calls setlocale, so the names of days and months are English.
    text.assign(buffer.data(),
                std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made_at = now;
    return text;
}

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes the next element off a list separated by `separator`.
std::string_view next_element(std::string_view& list, char separator) {
    const auto end = std::min(list.find(separator), list.size());
    const auto element = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    return element;
}

/// Whether a weight such as "q=0.5" is zero.
bool is_refused(std::string_view weight) {
    const auto value = weight.find('=');
    return value != std::string_view::npos &&
           trim(weight.substr(value + 1)).find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

std::string render(const Response& response, const std::string& request_id, bool keep_alive, bool head) {
    const auto reason =
        boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(response.status));
    std::string text;
    text.reserve(400 + response.body.size());
    text += "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(reason);
    text += "\r\nServer: seqrec-http\r\nDate: " + http_date();
    if (response.status != kNoContent && response.status != kNotModified) {  // which have neither
        text += "\r\nContent-Type: " + response.content_type;
        if (!response.stream) text += "\r\nContent-Length: " + std::to_string(response.body.size());
    }
    text += "\r\nCache-Control: " + response.cache_control;
    text += "\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: " + request_id;
    for (const auto& [name, value] : response.headers) text += "\r\n" + name + ": " + value;
    text += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
    if (!head) text += response.body;
    return text;
}

bool is_json(std::string_view content_type) {
    const auto semicolon = content_type.find(';');
    const auto type = lower(trim(content_type.substr(0, semicolon)));
    if (type != "application/json" && !(type.starts_with("application/") && type.ends_with("+json")))
        return false;
    if (semicolon == std::string_view::npos) return true;
    const auto parameters = lower(content_type.substr(semicolon + 1));
    const auto charset = parameters.find("charset=");
    if (charset == std::string::npos) return true;
    const auto value = std::string_view(parameters).substr(charset + 8);
    return value.starts_with("utf-8") || value.starts_with("\"utf-8\"");
}

bool accepts_gzip(std::string_view accept_encoding) {
    bool any = false;
    while (!accept_encoding.empty()) {
        auto parameters = next_element(accept_encoding, ',');
        const auto coding = lower(next_element(parameters, ';'));
        const bool accepted = !is_refused(next_element(parameters, ';'));
        if (coding == "gzip" || coding == "x-gzip") return accepted;
        if (coding == "*") any = accepted;
    }
    return any;
}

bool names_etag(std::string_view if_none_match, std::string_view etag) {
    while (!if_none_match.empty()) {
        auto element = next_element(if_none_match, ',');
        if (element.starts_with("W/")) element.remove_prefix(2);
        if (element == "*" || element == etag) return true;
    }
    return false;
}

std::string choose_request_id(std::string_view given) {
    const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
    if (!given.empty() && given.size() <= kMaxRequestId && std::ranges::all_of(given, is_visible))
        return std::string(given);
    thread_local std::mt19937_64 random{std::random_device{}()};
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(random()));
    return text.data();
}

}  // namespace seqrec::sidecar
