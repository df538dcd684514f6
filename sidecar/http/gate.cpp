#include "http/gate.hpp"

#include <boost/beast/core/string.hpp>

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kScheme = "Bearer ";

/// The token of an Authorization header; empty when it holds none.
std::string_view token_of(std::string_view authorization) {
    if (authorization.size() < kScheme.size() ||
        !boost::beast::iequals(authorization.substr(0, kScheme.size()), kScheme))
        return {};
    const auto start = authorization.find_first_not_of(' ', kScheme.size());
    return start == std::string_view::npos ? std::string_view() : authorization.substr(start);
}

Problem disabled() {
    Problem problem(404, "disabled", "this service changes nothing: it has no admin token");
    problem.hint = "Set SEQREC_ADMIN_TOKEN to enable this route.";
    return problem;
}

}  // namespace

bool same_in_constant_time(std::string_view secret, std::string_view given) {
    if (secret.empty()) return false;
    // volatile: the compiler must not find an early end.
    volatile unsigned char difference = secret.size() == given.size() ? 0 : 1;
    for (std::size_t i = 0; i < given.size(); ++i)
        difference = static_cast<unsigned char>(difference | (given[i] ^ secret[i % secret.size()]));
    return difference == 0;
}

Gate::Bearer Gate::who(std::string_view authorization) const {
    const auto token = token_of(authorization);
    const bool reads = same_in_constant_time(read_token_, token);  // both are compared, always
    const bool administers = same_in_constant_time(admin_token_, token);
    if (administers) return Bearer::Admin;
    if (reads) return Bearer::Reader;
    return authorization.empty() ? Bearer::Nobody : Bearer::Stranger;
}

std::optional<Problem> Gate::refusal(Access access, std::string_view authorization) const {
    const bool closed = !read_token_.empty() || (access == Access::Bearer && !admin_token_.empty());
    if (access == Access::Admin && admin_token_.empty()) return disabled();
    if (access == Access::Open || (access != Access::Admin && !closed)) return std::nullopt;
    switch (who(authorization)) {
        case Bearer::Admin:
            return std::nullopt;
        case Bearer::Reader:
            if (access != Access::Admin) return std::nullopt;
            return Problem(403, "admin-only", "this route needs the admin token");
        case Bearer::Stranger:
            return Problem(401, "unauthorized", "this service does not know the token");
        case Bearer::Nobody:
            break;
    }
    return Problem(401, "unauthorized", "this route needs a token: Authorization: Bearer TOKEN");
}

}  // namespace seqrec::sidecar
