// The socket's side of a streamed body.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "http/client_socket.hpp"
#include "http/message.hpp"

namespace seqrec::sidecar {

/// Writes a body to a socket, and watches meanwhile whether the client is still there: anything that it sends
/// during a stream, its end above all, ends the stream.
/// 将正文写入套接字，同时监视客户端是否仍在：流式传输期间客户端发来的任何内容（首先是关闭）都会结束该流。
class SocketWriter final : public BodyWriter, public std::enable_shared_from_this<SocketWriter> {
  public:
    SocketWriter(ClientSocket& socket, std::chrono::milliseconds write_timeout);
    SocketWriter(const SocketWriter&) = delete;
    SocketWriter& operator=(const SocketWriter&) = delete;

    void start() { watch(); }
    boost::asio::awaitable<bool> write(std::string bytes) override;
    boost::asio::awaitable<bool> wait(std::chrono::milliseconds time) override;

    /// Lets the stream end at its next step.
    /// 使该流在下一步结束。
    void end();
    /// The socket is not touched any more.
    /// 此后不再使用套接字。
    void detach();

    std::size_t written() const { return written_; }

  private:
    void watch();
    void limit_write();

    ClientSocket* socket_;
    boost::asio::steady_timer timer_;
    std::chrono::milliseconds write_timeout_;
    std::array<char, 1> unwanted_{};
    std::size_t written_ = 0;
    bool ended_ = false;
    bool writing_ = false;
};

}  // namespace seqrec::sidecar
