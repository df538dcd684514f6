#include "api/routes.hpp"

#include <memory>
#include <stdexcept>

#include "embedded.hpp"
#include "http/problem.hpp"
#include "http/static_files.hpp"

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kFolder = "web/";
constexpr std::string_view kPage = "web/index.html";
constexpr std::string_view kPlaceholder = "@ASSETS@";
constexpr std::size_t kVersionLength = 12;

/// A name for the contents of all the dashboard's files. It stands in the paths of the files, so that
/// browsers may keep them forever and yet never mix files of two versions.
std::string assets_version() {
    std::size_t version = 0;
    for (const auto& file : embedded_files())
        if (file.name.starts_with(kFolder))
            version = version * 31 + std::hash<std::string_view>{}(file.digest);
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < kVersionLength; ++i, version >>= 4) text += kDigits[version & 15];
    return text;
}

/// Relative paths: a proxy may have the page below a path of its own.
std::string page_text(const std::string& assets) {
    std::string text(embedded_file(kPage).bytes);
    for (auto at = text.find(kPlaceholder); at != std::string::npos; at = text.find(kPlaceholder, at))
        text.replace(at, kPlaceholder.size(), assets);
    return text;
}

asio::awaitable<Response> answer_file(StaticFile file, const Request& request) {
    co_return static_response(file, request);
}

/// A file of this version; pages of another version have paths of their own, which are gone.
asio::awaitable<Response> answer_asset(const std::string& version, const Request& request) {
    const auto name = std::string(kFolder) + *request.in_path.find("file");
    for (const auto& file : embedded_files())
        if (file.name == name && name != kPage && *request.in_path.find("version") == version)
            co_return static_response({content_type_of(file.name), file.bytes, file.gzip, file.digest, true},
                                      request);
    throw Problem(404, "unknown-path", "there is nothing at this path");
}

void add_page(Router& router, const std::string& assets, const std::string& version) {
    const auto text = std::make_shared<const std::string>(page_text(assets));
    const auto tag = std::make_shared<const std::string>(version);
    router.add({"GET", "/", false,
                [text, tag](const Request& request) {
                    return answer_file({content_type_of(kPage), *text, {}, *tag}, request);
                },
                Access::Open});
}

}  // namespace

void add_dashboard(Router& router) {
    const auto version = assets_version();
    add_page(router, "assets/" + version, version);
    router.add({"GET", "/assets/{version}/{file}", false,
                [version](const Request& request) { return answer_asset(version, request); }, Access::Open});
}

}  // namespace seqrec::sidecar
