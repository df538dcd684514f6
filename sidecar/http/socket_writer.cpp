#include "http/socket_writer.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace seqrec::sidecar {

namespace asio = boost::asio;
using boost::system::error_code;

SocketWriter::SocketWriter(ClientSocket& socket, std::chrono::milliseconds write_timeout)
    : socket_(&socket), timer_(socket.get_executor()), write_timeout_(write_timeout) {}

void SocketWriter::watch() {
    socket_->async_read_some(asio::buffer(unwanted_),
                             [self = shared_from_this()](error_code, std::size_t) { self->end(); });
}

asio::awaitable<bool> SocketWriter::write(std::string bytes) {
    if (ended_) co_return false;
    limit_write();
    writing_ = true;
    error_code error;
    const auto size = co_await asio::async_write(*socket_, asio::buffer(bytes),
                                                 asio::redirect_error(asio::use_awaitable, error));
    writing_ = false;
    timer_.cancel();
    written_ += size;
    if (error) end();
    co_return !ended_;
}

void SocketWriter::limit_write() {
    timer_.expires_after(write_timeout_);
    timer_.async_wait([self = shared_from_this()](error_code error) {
        if (error || !self->socket_) return;
        self->ended_ = true;
        self->socket_->cancel(error);
    });
}

asio::awaitable<bool> SocketWriter::wait(std::chrono::milliseconds time) {
    if (ended_) co_return false;
    timer_.expires_after(time);
    error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return !ended_;
}

void SocketWriter::end() {
    ended_ = true;
    if (!writing_) timer_.cancel();  // a write goes on, to somebody who may not read it, and keeps its limit
}

void SocketWriter::detach() {
    end();
    error_code ignored;
    if (socket_) socket_->cancel(ignored);  // the watch
    socket_ = nullptr;
}

}  // namespace seqrec::sidecar
