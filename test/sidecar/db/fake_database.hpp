// A server that speaks just enough of PostgreSQL's protocol to be asked, and fails in the ways that a test wants.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace seqrec::sidecar {

class FakeSession;

/// One query that has come; it must be answered, in the order of a connection's queries, unless the test says
/// that it is not.
struct FakeQuestion {
    using Parameters = std::vector<std::optional<std::string>>;
    Parameters parameters;
    std::shared_ptr<FakeSession> session;
    std::string acknowledged;  // what is said of its words, and of the settings before them

    using Cells = std::vector<std::string>;  // of one column
    /// The rows, and that all is well.
    void answer(const Cells& rows) const;
    /// The rows alone: what was asked has not come to its end.
    void answer_half(const Cells& rows) const;
    void refuse(const std::string& sqlstate) const;
    /// An error of what was sent before it.
    void refuse_settings(const std::string& sqlstate) const;
    /// Ends the session, with last words where there is an SQLSTATE.
    void hang_up(const std::string& last_words = "") const;
};

/// Lives on the loop of those whom it serves.
class FakeDatabase {
  public:
    enum class Reception { Greeted, HungUp, Silence, Late };

    explicit FakeDatabase(boost::asio::io_context& loop);
    ~FakeDatabase();

    std::string dsn() const;

    /// The host is gone without a word: nothing that is open is read or answered again, even after come_back().
    void vanish();
    /// Another one in its place, for those who connect from now on.
    void come_back() { vanished_ = false; }

    void greet_the_late();

    std::function<void(FakeQuestion)> on_question = [](const FakeQuestion& question) {
        question.answer({"answer"});
    };
    /// How the n-th session, from 1 on, is received.
    std::function<Reception(int number)> receive = [](int) { return Reception::Greeted; };
    int sessions = 0;                                // that have asked to begin
    int cancels = 0;                                 // that have come
    bool hold_cancels = false;                       // and are not let go
    bool is_pooler = false;                          // its sessions are no client's own
    std::vector<FakeQuestion::Parameters> settings;  // that have been told
    int writes = 0;                                  // transactions that were said to write

  private:
    friend class FakeSession;
    void accept();

    boost::asio::io_context& loop_;
    boost::asio::ip::tcp::acceptor acceptor_;
    std::vector<std::shared_ptr<FakeSession>> all_;  // deaf ones stay open
    std::vector<std::shared_ptr<FakeSession>> late_;
    bool vanished_ = false;
};

}  // namespace seqrec::sidecar
