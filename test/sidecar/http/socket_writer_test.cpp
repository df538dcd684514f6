// Streams to clients that hardly read.
#include "http/socket_writer.hpp"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <string>

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr milliseconds kLimit{200};

class Stream : public ::testing::Test {
  protected:
    Stream() {
        tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
        client.open(tcp::v4());
        client.set_option(tcp::socket::receive_buffer_size(4096));
        client.connect(acceptor.local_endpoint());
        served = acceptor.accept();
        writer = std::make_shared<SocketWriter>(served, kLimit);
        writer->start();
    }

    /// Writes more than anybody's buffers hold.
    void write_much() {
        asio::co_spawn(
            loop,
            [this]() -> asio::awaitable<void> {
                goes_on = co_await writer->write(std::string(64 << 20, 'x'));
                writer->detach();
                ended = true;
            },
            asio::detached);
    }

    bool ends() {
        const auto end = std::chrono::steady_clock::now() + 20 * kLimit;
        while (!ended && std::chrono::steady_clock::now() < end) loop.run_one_for(milliseconds(20));
        return ended;
    }

    asio::io_context loop;
    tcp::socket client{loop};
    ClientSocket served{loop};
    std::shared_ptr<SocketWriter> writer;
    bool ended = false, goes_on = true;
};

TEST_F(Stream, EndsForAClientThatDoesNotRead) {
    write_much();
    EXPECT_TRUE(ends());
    EXPECT_FALSE(goes_on);
}

/// What a client sends ends its stream, and not the limit of the write that is under way.
TEST_F(Stream, EndsForAClientThatSendsAndDoesNotRead) {
    write_much();
    loop.run_one_for(milliseconds(20));
    asio::write(client, asio::buffer("x", 1));
    EXPECT_TRUE(ends());
    EXPECT_FALSE(goes_on);
}

TEST_F(Stream, EndsForAClientThatDoesNotReadWhenItIsToldTo) {
    write_much();
    loop.run_one_for(milliseconds(20));
    writer->end();
    EXPECT_TRUE(ends());
    EXPECT_FALSE(goes_on);
}

}  // namespace
}  // namespace seqrec::sidecar
