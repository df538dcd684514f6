#include "http/listener.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;
using Protocol = asio::generic::stream_protocol;
using boost::system::error_code;

constexpr mode_t kAllPermissions = 0777;

/// Nothing for what is not TCP.
std::optional<asio::ip::tcp::endpoint> tcp_endpoint(const Protocol::endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    asio::ip::tcp::endpoint result;
    if ((family != AF_INET && family != AF_INET6) || endpoint.size() > result.capacity()) return std::nullopt;
    std::memcpy(result.data(), endpoint.data(), endpoint.size());
    result.resize(endpoint.size());
    return result;
}

std::string unix_path(const Protocol::endpoint& endpoint) {
    sockaddr_un address{};
    std::memcpy(&address, endpoint.data(), std::min<std::size_t>(endpoint.size(), sizeof address));
    const bool is_abstract = address.sun_path[0] == '\0';
    return is_abstract ? std::string("@") + (address.sun_path + 1) : std::string(address.sun_path);
}

}  // namespace

void Listener::open(const Config& config) try {
    if (config.listen_host.starts_with(kUnixPrefix))
        open_unix(config.listen_host.substr(kUnixPrefix.size()), config.socket_mode);
    else
        open_tcp(config);
    acceptor_.listen();
} catch (const boost::system::system_error& error) {  // whose words name a file of Boost's
    const bool is_ipv6 = config.listen_host.find(':') != std::string::npos;
    const bool has_port = !config.listen_host.starts_with(kUnixPrefix);
    const std::string host = is_ipv6 && has_port ? "[" + config.listen_host + "]" : config.listen_host;
    throw std::runtime_error("cannot listen on " + host +
                             (has_port ? ":" + std::to_string(config.listen_port) : "") +
                             " (SEQREC_LISTEN): " + error.code().message());
}

void Listener::open_tcp(const Config& config) {
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(config.listen_host), config.listen_port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
}

/// The file has its permissions from the moment it is there, and nobody is taken before all is noted.
void Listener::open_unix(const std::string& path, unsigned mode) {
    const asio::local::stream_protocol::endpoint endpoint(path);
    file_.emplace(path);
    acceptor_.open(endpoint.protocol());
    error_code error;
    const mode_t before = umask(kAllPermissions & ~static_cast<mode_t>(mode));
    acceptor_.bind(endpoint, error);
    umask(before);
    if (error) throw boost::system::system_error(error);
    file_->note_bound();
}

void Listener::take(const InheritedListener& inherited) {
    const int protocol = inherited.family == AF_UNIX ? 0 : IPPROTO_TCP;
    acceptor_.assign(Protocol(inherited.family, protocol), inherited.file);
}

void Listener::close() {
    file_.reset();
    acceptor_.close();
}

std::string Listener::name() const {
    const auto endpoint = acceptor_.local_endpoint();
    const auto tcp = tcp_endpoint(endpoint);
    if (!tcp) return std::string(kUnixPrefix) + unix_path(endpoint);
    const auto host = tcp->address().to_string(), port = std::to_string(tcp->port());
    return "http://" + (tcp->address().is_v6() ? "[" + host + "]" : host) + ":" + port;
}

std::string client_address(const ClientSocket& socket) {
    error_code error;
    const auto endpoint = socket.remote_endpoint(error);
    if (error) return {};
    const auto tcp = tcp_endpoint(endpoint);
    return tcp ? tcp->address().to_string() : "unix";
}

}  // namespace seqrec::sidecar
