// Which names a service answers to.
#include "http/hosts.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

unsigned status_for(const Hosts& hosts, std::initializer_list<const char*> headers) {
    Request request;
    for (const auto* header : headers) request.headers.emplace_back("host", header);
    const auto refusal = hosts.refusal(request);
    return refusal ? refusal->status : 200;
}

TEST(Hosts, OnLoopbackAreLoopbacks) {
    const Hosts hosts(Config{}, "127.0.0.1");
    for (const char* good :
         {"localhost", "localhost:8080", "LocalHost:1", "localhost.", "shop.localhost:8080", "127.0.0.1",
          "127.8.8.8:80", "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]:80"})
        EXPECT_EQ(status_for(hosts, {good}), 200U) << good;
    for (const char* bad :
         {"attacker.example", "attacker.example:8080", "127.0.0.1.attacker.example", "127.attacker.example",
          "localhost.attacker.example", "notlocalhost", "10.0.0.1", "[fe80::1]", "[::1", "", ":8080", "::1",
          "attacker.example:127.0.0.1", "[::1]attacker.example", "localhost@attacker.example", ".."})
        EXPECT_EQ(status_for(hosts, {bad}), 421U) << bad;
}

/// Browsers always name a host, once.
TEST(Hosts, WhoNamesNoneIsNoBrowser) {
    const Hosts hosts(Config{}, "::1");
    EXPECT_EQ(status_for(hosts, {}), 200U);
    EXPECT_EQ(status_for(hosts, {"localhost", "attacker.example"}), 421U);
}

TEST(Hosts, AreAnyWhereATokenOrTheNetworkDecides) {
    Config with_token;
    with_token.read_token = "0123456789abcdef";
    EXPECT_EQ(status_for(Hosts(with_token, "127.0.0.1"), {"attacker.example"}), 200U);
    Config with_admin_token;  // which leaves asking open
    with_admin_token.admin_token = "0123456789abcdef";
    EXPECT_EQ(status_for(Hosts(with_admin_token, "127.0.0.1"), {"attacker.example"}), 421U);
    for (const char* address : {"0.0.0.0", "10.0.0.1", "::", "unix:/run/seqrec/http.sock"})
        EXPECT_EQ(status_for(Hosts(Config{}, address), {"shop.example.org"}), 200U) << address;
    EXPECT_EQ(status_for(Hosts(), {"shop.example.org"}), 200U);
}

TEST(Hosts, AreThoseOfTheSettingEverywhere) {
    Config config;
    config.hosts = {"shop.example.org", "10.0.0.1"};
    config.read_token = "0123456789abcdef";
    for (const char* address : {"127.0.0.1", "0.0.0.0", "unix:/run/seqrec/http.sock"}) {
        const Hosts hosts(config, address);
        for (const char* good :
             {"shop.example.org", "Shop.Example.org:443", "shop.example.org.", "10.0.0.1:80", "localhost"})
            EXPECT_EQ(status_for(hosts, {good}), 200U) << address << " " << good;
        for (const char* bad : {"example.org", "a.shop.example.org", "10.0.0.11"})
            EXPECT_EQ(status_for(hosts, {bad}), 421U) << address << " " << bad;
    }
    config.hosts = {"*"};
    EXPECT_EQ(status_for(Hosts(config, "127.0.0.1"), {"attacker.example"}), 200U);
}

}  // namespace
}  // namespace seqrec::sidecar
