#include "db/fake_database.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <map>

namespace seqrec::sidecar {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::uint32_t kCancelRequest = 80877102;
constexpr char kReady[] = "I";
constexpr int kText = 25;  // the type
constexpr int kPid = 1;

std::string word(std::uint32_t value, int bytes = 4) {
    std::string text;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
    return text;
}

std::uint32_t number(std::string_view text, int bytes = 4) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(text[i]);
    return value;
}

std::string message(char type, const std::string& body) {
    return type + word(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

std::string zero_ended(const std::string& text) { return text + '\0'; }

std::string greeting() {
    std::string text = message('R', word(0));
    for (const auto& [name, value] : {std::pair{"server_version", "15.0"}, {"client_encoding", "UTF8"}})
        text += message('S', zero_ended(name) + zero_ended(value));
    return text + message('K', word(kPid) + word(2)) + message('Z', kReady);
}

std::string error(const std::string& severity, const std::string& sqlstate) {
    return message('E', "S" + zero_ended(severity) + "V" + zero_ended(severity) + "C" + zero_ended(sqlstate) +
                            "M" + zero_ended("what a server says") + '\0');
}

std::string table(const FakeQuestion::Cells& rows) {
    std::string text = message('T', word(1, 2) + zero_ended("column") + word(0) + word(0, 2) + word(kText) +
                                        word(0xffff, 2) + word(0xffffffff) + word(1, 2));
    for (const auto& cell : rows)
        text += message('D', word(1, 2) + word(static_cast<std::uint32_t>(cell.size())) + cell);
    return text + message('C', zero_ended("SELECT"));
}

/// The n-th of the texts that a message begins with.
std::string text_at(std::string_view body, int place) {
    for (; place > 0; --place) body.remove_prefix(body.find('\0') + 1);
    return std::string(body.substr(0, body.find('\0')));
}

/// The parameters of a Bind message.
FakeQuestion::Parameters bound(std::string_view body) {
    const auto skip = [&](std::size_t bytes) { body.remove_prefix(bytes); };
    skip(body.find('\0') + 1);
    skip(body.find('\0') + 1);
    skip(2 + 2 * number(body, 2));
    FakeQuestion::Parameters parameters(number(body, 2));
    skip(2);
    for (auto& parameter : parameters) {
        const auto size = number(body);
        skip(4);
        if (size == 0xffffffff) continue;
        parameter = body.substr(0, size);
        skip(size);
    }
    return parameters;
}

}  // namespace

class FakeSession : public std::enable_shared_from_this<FakeSession> {
  public:
    FakeSession(FakeDatabase& owner, asio::ip::tcp::socket socket)
        : owner_(&owner), socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(asio::buffer(chunk_),
                                [self = shared_from_this()](error_code error, std::size_t size) {
                                    if (error || self->deaf) return;
                                    self->input_.append(self->chunk_.data(), size);
                                    while (self->socket_.is_open() && !self->deaf && self->take_one()) {
                                    }
                                    if (self->socket_.is_open() && !self->deaf) self->read();
                                });
    }

    void send(const std::string& bytes) {
        if (deaf || !socket_.is_open()) return;
        error_code ignored;
        asio::write(socket_, asio::buffer(bytes), ignored);
    }

    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

    bool deaf = false;  // the socket stays open, and nothing more comes out of it

  private:
    bool take_one() {
        const std::size_t header = greeted_ ? 5 : 4;
        if (input_.size() < header) return false;
        const std::size_t size = number(std::string_view(input_).substr(header - 4)) + header - 4;
        if (input_.size() < size) return false;
        const char type = input_[0];
        const std::string body = input_.substr(header, size - header);
        input_.erase(0, size);
        greeted_ ? take(type, body) : begin(body);
        return true;
    }

    void begin(const std::string& body) {
        if (number(body) == kCancelRequest) {
            ++owner_->cancels;
            deaf = owner_->hold_cancels;
            return deaf ? void() : close();
        }
        greeted_ = true;
        switch (owner_->receive(++owner_->sessions)) {
            case FakeDatabase::Reception::Greeted:
                return send(greeting());
            case FakeDatabase::Reception::HungUp:
                return close();
            case FakeDatabase::Reception::Late:
                return owner_->late_.push_back(shared_from_this());
            case FakeDatabase::Reception::Silence:
                deaf = true;
        }
    }

    void take(char type, const std::string& body) {
        if (type == 'P') parse(body);
        if (type == 'B') bind(body);
        if (type == 'E') execute();
        if (type == 'S') owner_->on_question({parameters_, shared_from_this(), std::exchange(said_, "")});
        if (type == 'X') close();
    }

    void parse(const std::string& body) {
        statements_[text_at(body, 0)] = text_at(body, 1);
        said_ += message('1', "");
    }

    void bind(const std::string& body) {
        statement_ = statements_[text_at(body, 1)];
        parameters_ = bound(body);
        said_ += message('2', "");
    }

    /// Settings are answered by the database itself, when the question is.
    void execute() {
        if (statement_.find("pg_backend_pid") != std::string::npos) {
            owner_->settings.push_back(parameters_);
            const auto client = std::to_string(socket_.remote_endpoint().port());
            const bool own = !owner_->is_pooler && parameters_.at(0) == std::to_string(kPid) &&
                             parameters_.at(1) == client;
            said_ += table({std::string(1, own ? '\1' : '\0')});
        } else if (statement_.starts_with("SET transaction_read_only")) {
            ++owner_->writes;
            said_ += message('n', "") + message('C', zero_ended("SET"));
        }
    }

    FakeDatabase* owner_;
    asio::ip::tcp::socket socket_;
    std::array<char, 65536> chunk_{};
    std::string input_;
    std::map<std::string, std::string> statements_;
    std::string statement_;  // the one that was bound last
    FakeQuestion::Parameters parameters_;
    std::string said_;  // to be sent with the answer
    bool greeted_ = false;
};

void FakeQuestion::answer(const Cells& rows) const {
    session->send(acknowledged + table(rows) + message('Z', kReady));
}

void FakeQuestion::answer_half(const Cells& rows) const { session->send(acknowledged + table(rows)); }

void FakeQuestion::refuse(const std::string& sqlstate) const {
    session->send(acknowledged + error("ERROR", sqlstate) + message('Z', kReady));
}

void FakeQuestion::refuse_settings(const std::string& sqlstate) const {
    session->send(message('1', "") + error("ERROR", sqlstate) + message('Z', kReady));
}

void FakeQuestion::hang_up(const std::string& last_words) const {
    if (!last_words.empty()) session->send(error("FATAL", last_words));
    session->close();
}

FakeDatabase::FakeDatabase(asio::io_context& loop)
    : loop_(loop), acceptor_(loop, {asio::ip::address_v4::loopback(), 0}) {
    accept();
}

FakeDatabase::~FakeDatabase() {
    for (const auto& session : all_) {
        session->deaf = true;
        session->close();
    }
}

std::string FakeDatabase::dsn() const {
    return "host=127.0.0.1 port=" + std::to_string(acceptor_.local_endpoint().port()) +
           " user=u dbname=d sslmode=disable gssencmode=disable";
}

void FakeDatabase::greet_the_late() {
    for (const auto& session : std::exchange(late_, {})) session->send(greeting());
}

void FakeDatabase::vanish() {
    vanished_ = true;
    for (const auto& session : all_) session->deaf = true;
}

void FakeDatabase::accept() {
    acceptor_.async_accept([this](error_code error, asio::ip::tcp::socket socket) {
        if (error) return;
        const auto session = std::make_shared<FakeSession>(*this, std::move(socket));
        session->deaf = vanished_;
        all_.push_back(session);
        session->read();
        accept();
    });
}

}  // namespace seqrec::sidecar
