// Who may use which route.
#include "http/gate.hpp"

#include <gtest/gtest.h>

namespace seqrec::sidecar {
namespace {

constexpr const char* kRead = "read-token-0123456789";
constexpr const char* kAdmin = "admin-token-0123456789";

unsigned status(const Gate& gate, Access access, const std::string& token) {
    const auto refusal = gate.refusal(access, token.empty() ? "" : "Bearer " + token);
    return refusal ? refusal->status : 200;
}

TEST(Gate, ComparesWholeTexts) {
    EXPECT_TRUE(same_in_constant_time("abc", "abc"));
    for (const char* other : {"", "a", "ab", "abd", "Abc", "abca", "abcabc"})
        EXPECT_FALSE(same_in_constant_time("abc", other)) << other;
    EXPECT_FALSE(same_in_constant_time("", "")) << "a token that is not set fits nothing";
    EXPECT_FALSE(same_in_constant_time("aa", "aaaa"));
}

TEST(Gate, LetsInWhoMay) {
    struct Row {
        const char *read, *admin;
        Access access;
        unsigned nobody, stranger, reader, administrator;
    };
    constexpr Row kRows[] = {
        {"", "", Access::Open, 200, 200, 200, 200},
        {"", "", Access::Read, 200, 200, 200, 200},
        {"", "", Access::Bearer, 200, 200, 200, 200},
        {"", "", Access::Admin, 404, 404, 404, 404},
        {kRead, "", Access::Open, 200, 200, 200, 200},
        {kRead, "", Access::Read, 401, 401, 200, 401},
        {kRead, "", Access::Bearer, 401, 401, 200, 401},
        {kRead, "", Access::Admin, 404, 404, 404, 404},
        {"", kAdmin, Access::Read, 200, 200, 200, 200},
        {"", kAdmin, Access::Bearer, 401, 401, 401, 200},
        {"", kAdmin, Access::Admin, 401, 401, 401, 200},
        {kRead, kAdmin, Access::Read, 401, 401, 200, 200},
        {kRead, kAdmin, Access::Bearer, 401, 401, 200, 200},
        {kRead, kAdmin, Access::Admin, 401, 401, 403, 200},
    };
    for (const auto& row : kRows) {
        const Gate gate(row.read, row.admin);
        const auto where =
            std::string(row.read) + "/" + row.admin + "/" + std::to_string(static_cast<int>(row.access));
        EXPECT_EQ(status(gate, row.access, ""), row.nobody) << where;
        EXPECT_EQ(status(gate, row.access, "some-other-token"), row.stranger) << where;
        EXPECT_EQ(status(gate, row.access, kRead), row.reader) << where;
        EXPECT_EQ(status(gate, row.access, kAdmin), row.administrator) << where;
    }
}

TEST(Gate, ReadsBearerTokensAlone) {
    const Gate gate(kRead, kAdmin);
    const auto status_of = [&](const std::string& header) {
        const auto refusal = gate.refusal(Access::Read, header);
        return refusal ? refusal->status : 200;
    };
    EXPECT_EQ(status_of(std::string("Bearer ") + kRead), 200U);
    EXPECT_EQ(status_of(std::string("bearer ") + kRead), 200U) << "schemes have no case";
    for (const std::string& header :
         {std::string(kRead), std::string("Basic ") + kRead, std::string("Bearer"),
          std::string("Bearer ") + kRead + "x", std::string("Bearer x") + kRead})
        EXPECT_EQ(status_of(header), 401U) << header;
}

}  // namespace
}  // namespace seqrec::sidecar
