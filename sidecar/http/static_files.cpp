#include "http/static_files.hpp"

#include <stdexcept>
#include <utility>

#include "http/wire.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::pair<std::string_view, std::string_view> kContentTypes[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
};

}  // namespace

Response static_response(const StaticFile& file, const Request& request) {
    const bool packed = !file.gzip.empty() && accepts_gzip(request.header("Accept-Encoding"));
    // Two representations, two strong validators.
    const auto etag = '"' + std::string(file.tag) + (packed ? "-gzip\"" : "\"");
    Response response;
    response.content_type = file.content_type;
    response.cache_control = file.forever ? "public, max-age=31536000, immutable" : "no-cache";
    response.headers = {{"ETag", etag},
                        {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cross-Origin-Opener-Policy", "same-origin"},
                        {"Cross-Origin-Resource-Policy", "same-origin"}};
    if (!file.gzip.empty()) response.headers.emplace_back("Vary", "Accept-Encoding");
    if (names_etag(request.header("If-None-Match"), etag)) {
        response.status = 304;
        return response;
    }
    if (packed) response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = packed ? file.gzip : file.bytes;
    return response;
}

std::string_view content_type_of(std::string_view name) {
    for (const auto& [ending, type] : kContentTypes)
        if (name.ends_with(ending)) return type;
    throw std::out_of_range("no media type for " + std::string(name));
}

}  // namespace seqrec::sidecar
