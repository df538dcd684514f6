// The corpus of test/fuzz/http_fuzz.cpp, and what small damage makes of it.
#include "http_input.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace seqrec::testing {
namespace {

std::map<std::string, std::string> corpus() {
    std::map<std::string, std::string> inputs;
    for (const auto& entry : std::filesystem::directory_iterator(SEQREC_CORPUS)) {
        std::ifstream file(entry.path(), std::ios::binary);
        inputs[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return inputs;
}

TEST(HttpInput, AnswersTheCorpus) {
    HttpInput input;
    const auto inputs = corpus();
    ASSERT_GT(inputs.size(), 20U);
    for (const auto& [name, bytes] : inputs) {
        const int answered = name == "two-lengths" ? 0 : name == "pipelined" ? 3 : 1;
        EXPECT_EQ(input.take(bytes), answered) << name;
    }
}

TEST(HttpInput, SurvivesWhatEndsEarly) {
    HttpInput input;
    for (const auto& [name, bytes] : corpus())
        for (std::size_t length = 0; length < bytes.size(); ++length)
            EXPECT_NO_THROW(input.take(std::string_view(bytes).substr(0, length))) << name << " " << length;
}

TEST(HttpInput, SurvivesWrongBytes) {
    HttpInput input;
    static constexpr char kBytes[] = {'\0', '"', '%', '{', '\xff', '9'};
    for (const auto& [name, bytes] : corpus())
        for (std::size_t at = 0; at < bytes.size(); ++at) {
            std::string damaged = bytes;
            damaged[at] = kBytes[at % std::size(kBytes)];
            EXPECT_NO_THROW(input.take(damaged)) << name << " " << at;
        }
}

}  // namespace
}  // namespace seqrec::testing
