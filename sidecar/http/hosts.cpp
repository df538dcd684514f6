#include "http/hosts.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kLocalName = "localhost";

/// A Host header's name or address in lower case, without port and without the dot that may end a name.
std::string name_in(std::string_view header) {
    const auto port = header.starts_with('[') ? header.find("]:") + 1 : header.find(':');
    std::string name(header.substr(0, port == 0 ? header.npos : port));
    std::ranges::transform(name, name.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (name.ends_with('.')) name.pop_back();
    return name;
}

/// Nobody else can have one of these: browsers look up neither addresses nor names below localhost.
bool is_loopbacks(const std::string& name) {
    if (name.starts_with('[') && name.ends_with(']')) return is_loopback(name.substr(1, name.size() - 2));
    return name == kLocalName || name.ends_with('.' + std::string(kLocalName)) ||
           (name.find(':') == name.npos && is_loopback(name));
}

}  // namespace

Hosts::Hosts(const Config& config, const std::string& address)
    : any_(config.hosts.empty() ? !is_loopback(address) || !config.read_token.empty()
                                : std::ranges::count(config.hosts, "*") > 0),
      names_(config.hosts) {}

bool Hosts::fits(std::string_view header) const {
    const auto name = name_in(header);
    return is_loopbacks(name) || std::ranges::find(names_, name) != names_.end();
}

std::optional<Problem> Hosts::refusal(const Request& request) const {
    const auto is_good = [this](const auto& header) {
        return !boost::beast::iequals(header.first, "Host") || fits(header.second);
    };
    if (any_ || std::ranges::all_of(request.headers, is_good)) return std::nullopt;
    Problem problem(421, "unknown-host", "this service does not answer to the name in the Host header");
    problem.hint = "Ask for localhost, or name it in SEQREC_HOSTS.";
    return problem;
}

}  // namespace seqrec::sidecar
