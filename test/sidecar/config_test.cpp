// The environment: what is taken, what is refused and how it is called, and that secrets stay secret.
#include "config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace seqrec::sidecar {
namespace {

constexpr const char* kToken = "token-0123456789";

/// The environment with these SEQREC_* variables and no others, until the test is over.
class ConfigTest : public ::testing::Test {
  protected:
    void SetUp() override { clear(); }
    void TearDown() override { clear(); }
    static void clear() {
        for (const auto& name : {"SEQREC_LISTEN",
                                 "SEQREC_DSN",
                                 "SEQREC_ADMIN_DSN",
                                 "SEQREC_READ_TOKEN",
                                 "SEQREC_READ_TOKEN_FILE",
                                 "SEQREC_ADMIN_TOKEN",
                                 "SEQREC_ADMIN_TOKEN_FILE",
                                 "SEQREC_EVENTS_TABLE",
                                 "SEQREC_EVENTS_USER_COLUMN",
                                 "SEQREC_TITLE_TABLE",
                                 "SEQREC_MODEL",
                                 "SEQREC_POOL",
                                 "SEQREC_QUEUE",
                                 "SEQREC_PIPELINE",
                                 "SEQREC_PREPARE",
                                 "SEQREC_DEADLINE_MS",
                                 "SEQREC_MAX_BODY",
                                 "SEQREC_STREAMS",
                                 "SEQREC_POOOL",
                                 "SEQREC_SOCKET_MODE",
                                 "SEQREC_HOSTS",
                                 "SEQREC_CORS_ORIGINS"})
            ::unsetenv(name);
    }
    static Config with(const std::map<std::string, std::string>& variables) {
        clear();
        for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
        return read_config();
    }
    /// What is said of a variable that can't be used.
    static std::string refusal(const std::map<std::string, std::string>& variables) {
        try {
            with(variables);
        } catch (const ConfigError& error) {
            return error.what();
        }
        ADD_FAILURE() << "taken: " << variables.begin()->first << "=" << variables.begin()->second;
        return "";
    }
};

TEST_F(ConfigTest, HasDefaults) {
    const Config config = read_config();
    EXPECT_EQ(config.listen_host, "127.0.0.1");
    EXPECT_EQ(config.listen_port, 8080);
    EXPECT_EQ(config.model, "default");
    EXPECT_GE(config.pool, 1);
    EXPECT_EQ(config.queue, 64 * config.pool);
    EXPECT_TRUE(config.prepare && config.access_log && config.dashboard);
    EXPECT_TRUE(config.read_token.empty() && config.admin_token.empty() && config.events.table.empty());
    EXPECT_EQ(config.events.user_column, "user_id");
    EXPECT_EQ(config.titles.title_column, "title");
}

TEST_F(ConfigTest, ListensOnAddresses) {
    const auto listens = [&](const char* text) {
        const Config config = with({{"SEQREC_LISTEN", text}});
        return config.listen_host + " " + std::to_string(config.listen_port);
    };
    EXPECT_EQ(listens("0.0.0.0:80"), "0.0.0.0 80");
    EXPECT_EQ(listens("localhost:0"), "127.0.0.1 0");
    EXPECT_EQ(listens("[::1]:9000"), "::1 9000");
    for (const char* text :
         {"8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x",
          "example.com:80", "::1:80", "[127.0.0.1]:80", "[]:80", "256.0.0.1:80"})
        EXPECT_NE(refusal({{"SEQREC_LISTEN", text}}).find("SEQREC_LISTEN"), std::string::npos) << text;
}

TEST_F(ConfigTest, ListensOnUnixSockets) {
    const Config config = with({{"SEQREC_LISTEN", "unix:/run/seqrec/http.sock"}});
    EXPECT_EQ(config.listen_host, "unix:/run/seqrec/http.sock");
    EXPECT_EQ(config.socket_mode, 0660U);
    EXPECT_EQ(with({{"SEQREC_SOCKET_MODE", "0600"}}).socket_mode, 0600U);
    for (const std::string& text :
         {std::string("unix:"), std::string("unix:http.sock"), std::string("unix:/run/"),
          std::string("unix:@name"), "unix:/" + std::string(107, 'x')})
        EXPECT_NE(refusal({{"SEQREC_LISTEN", text}}).find("SEQREC_LISTEN"), std::string::npos) << text;
    for (const char* text : {"rw", "0777", "888", "-1", "1660", "0660 "})
        EXPECT_NE(refusal({{"SEQREC_SOCKET_MODE", text}}).find("SEQREC_SOCKET_MODE"), std::string::npos)
            << text;
}

TEST_F(ConfigTest, NamesAndOriginsAreLists) {
    using Strings = std::vector<std::string>;
    const Config config = with(
        {{"SEQREC_HOSTS", "Shop.example.org., [::1],10.0.0.1"},
         {"SEQREC_CORS_ORIGINS", "https://Shop.example.org:443, http://localhost:3000,http://[::1]:80"}});
    EXPECT_EQ(config.hosts, (Strings{"shop.example.org", "[::1]", "10.0.0.1"}));
    EXPECT_EQ(config.cors_origins,
              (Strings{"https://shop.example.org", "http://localhost:3000", "http://[::1]"}))
        << "without the ports that browsers leave out";
    EXPECT_EQ(with({{"SEQREC_HOSTS", "*"}}).hosts, Strings{"*"});
    EXPECT_TRUE(with({}).hosts.empty());
    for (const char* text : {"a b", "http://a", "a:80", "a,,b", "[a]", "*.a"})
        EXPECT_NE(refusal({{"SEQREC_HOSTS", text}}).find("SEQREC_HOSTS"), std::string::npos) << text;
    for (const char* text :
         {"*", "null", "shop.example.org", "https://", "https://a/", "https://a:", "https://a:x", "ftp://a",
          "https://a b", "https://[::1", "https://u@a", "http://a\r\nb"})
        EXPECT_NE(refusal({{"SEQREC_CORS_ORIGINS", text}}).find("SEQREC_CORS_ORIGINS"), std::string::npos)
            << text;
}

TEST_F(ConfigTest, NumbersKeepTheRangeThatTheHelpGives) {
    EXPECT_EQ(with({{"SEQREC_POOL", "256"}}).pool, 256);
    EXPECT_EQ(with({{"SEQREC_POOL", "3"}}).queue, 192);
    EXPECT_EQ(with({{"SEQREC_QUEUE", "7"}}).queue, 7);
    EXPECT_EQ(with({{"SEQREC_STREAMS", "0"}}).streams, 0);
    EXPECT_EQ(with({{"SEQREC_DEADLINE_MS", "10"}}).deadline.count(), 10);
    for (const char* text : {"0", "257", "1.5", "one", "-1", "1 ", "99999999999999999999"}) {
        const std::string message = refusal({{"SEQREC_POOL", text}});
        EXPECT_NE(message.find("from 1 to 256"), std::string::npos) << message;
    }
    EXPECT_NE(help_text().find("SEQREC_POOL"), std::string::npos);
    EXPECT_NE(help_text().find("from 1 to 256"), std::string::npos);
}

TEST_F(ConfigTest, AnEmptyVariableIsNotSet) {
    EXPECT_EQ(with({{"SEQREC_LISTEN", ""}, {"SEQREC_POOL", ""}}).listen_port, 8080);
}

TEST_F(ConfigTest, SwitchesAreOnOrOff) {
    EXPECT_FALSE(with({{"SEQREC_PREPARE", "off"}}).prepare);
    for (const char* text : {"ON", "true", "1", "no"})
        EXPECT_NE(refusal({{"SEQREC_PREPARE", text}}).find("on or off"), std::string::npos) << text;
}

TEST_F(ConfigTest, TokensAreLongEnoughAndVisible) {
    EXPECT_EQ(with({{"SEQREC_READ_TOKEN", kToken}}).read_token, kToken);
    for (const std::string& text : {std::string(15, 'x'), std::string(513, 'x'),
                                    std::string("0123456789 123456"), std::string("0123456789abcdef\x7f")}) {
        const std::string message = refusal({{"SEQREC_READ_TOKEN", text}});
        EXPECT_NE(message.find("SEQREC_READ_TOKEN"), std::string::npos) << message;
        EXPECT_EQ(message.find(text), std::string::npos) << "a token in a log";
    }
}

TEST_F(ConfigTest, TokensMayComeFromAFile) {
    const std::string path =
        std::filesystem::temp_directory_path() / ("seqrec-token-" + std::to_string(::getpid()));
    std::ofstream(path) << kToken << "\n";
    EXPECT_EQ(with({{"SEQREC_ADMIN_TOKEN_FILE", path}}).admin_token, kToken);
    EXPECT_NE(refusal({{"SEQREC_ADMIN_TOKEN_FILE", path}, {"SEQREC_ADMIN_TOKEN", kToken}}).find("twice"),
              std::string::npos);
    std::ofstream(path) << std::string(2000, 'x');
    EXPECT_NE(refusal({{"SEQREC_ADMIN_TOKEN_FILE", path}}).find("cannot read"), std::string::npos);
    std::filesystem::remove(path);
    EXPECT_NE(refusal({{"SEQREC_ADMIN_TOKEN_FILE", path}}).find("SEQREC_ADMIN_TOKEN_FILE"),
              std::string::npos);
}

/// Whoever reaches the service could add rows to a table.
TEST_F(ConfigTest, EventsNeedATokenWhereOthersCanReach) {
    const std::map<std::string, std::string> open = {{"SEQREC_EVENTS_TABLE", "clicks"},
                                                     {"SEQREC_LISTEN", "0.0.0.0:80"}};
    EXPECT_NE(refusal(open).find("SEQREC_EVENTS_TABLE"), std::string::npos);
    auto with_token = open;
    with_token["SEQREC_ADMIN_TOKEN"] = kToken;
    EXPECT_EQ(with(with_token).events.table, "clicks");
    const Config loopback = with({{"SEQREC_EVENTS_TABLE", "clicks"}});
    EXPECT_NO_THROW(refuse_exposure(loopback, "::1"));
    EXPECT_NO_THROW(refuse_exposure(loopback, "127.8.0.1"));
    EXPECT_NO_THROW(refuse_exposure(loopback, "::ffff:127.0.0.1"));
    EXPECT_NO_THROW(refuse_exposure(loopback, "unix:/run/seqrec/http.sock"));
    EXPECT_THROW(refuse_exposure(loopback, "127.evil.example"), ConfigError);
    EXPECT_THROW(refuse_exposure(loopback, "::"), ConfigError);  // an inherited socket may listen anywhere
}

TEST_F(ConfigTest, APasswordIsNeverShown) {
    const std::string message = refusal({{"SEQREC_DSN", "host=db password='hunter2"}});
    EXPECT_NE(message.find("SEQREC_DSN"), std::string::npos) << message;
    EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
    with({{"SEQREC_DSN", "postgresql://reader:hunter2@db/shop"}, {"SEQREC_READ_TOKEN", kToken}});
    const std::string shown = effective_config();
    EXPECT_EQ(shown.find("hunter2"), std::string::npos) << shown;
    EXPECT_EQ(shown.find(kToken), std::string::npos) << shown;
    EXPECT_NE(shown.find("SEQREC_READ_TOKEN=********"), std::string::npos) << shown;
    EXPECT_NE(shown.find("user=reader"), std::string::npos) << shown;
    EXPECT_NE(shown.find("dbname=shop"), std::string::npos) << shown;
}

TEST_F(ConfigTest, NamesThatAreNotKnownAreTold) {
    with({{"SEQREC_POOL", "2"}});
    ::setenv("SEQREC_POOOL", "3", 1);
    const auto unknown = unknown_variables();
    EXPECT_EQ(std::ranges::count(unknown, "SEQREC_POOOL"), 1);
    EXPECT_EQ(std::ranges::count(unknown, "SEQREC_POOL"), 0);
}

}  // namespace
}  // namespace seqrec::sidecar
