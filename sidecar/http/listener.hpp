// Where clients come to: an address, a Unix socket, or a socket that was handed over.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>

#include "config.hpp"
#include "http/client_socket.hpp"
#include "http/socket_file.hpp"
#include "service_manager.hpp"

namespace seqrec::sidecar {

/// A listening socket of any of these kinds.
/// 上述任一种监听套接字。
class Listener {
  public:
    explicit Listener(boost::asio::io_context& loop) : acceptor_(loop) {}

    /// Throws boost::system::system_error, or std::runtime_error of a Unix socket's path, when the address can't be had.
    /// 地址不可用时抛出 boost::system::system_error；Unix 套接字路径的问题抛出 std::runtime_error。
    void open(const Config& config);
    void take(const InheritedListener& inherited);
    void close();

    Acceptor& acceptor() { return acceptor_; }
    bool is_open() const { return acceptor_.is_open(); }

    /// "http://ADDRESS:PORT" or "unix:PATH".
    std::string name() const;

  private:
    void open_tcp(const Config& config);
    void open_unix(const std::string& path, unsigned mode);

    Acceptor acceptor_;
    std::optional<SocketFile> file_;
};

/// The IP address of a client; "unix" for one of a Unix socket.
/// 客户端的 IP 地址；Unix 套接字的客户端为 "unix"。
std::string client_address(const ClientSocket& socket);

}  // namespace seqrec::sidecar
