// Answers as JSON.
#include "api/recommendation.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "db/arrays.hpp"

namespace seqrec::sidecar {
namespace {

using Told = std::vector<std::optional<std::string>>;

/// An array of reals has the bytes of one of whole numbers.
std::string reals(std::initializer_list<float> values) {
    std::vector<std::optional<std::int32_t>> words;
    for (const float value : values) words.emplace_back(std::bit_cast<std::int32_t>(value));
    return encode_array(words);
}

/// An answer of two items and their reasons, as the statement of explained answers sends it.
Rows explained(const Told& because_of, const Told& sources, const Told& texts) {
    const std::vector<std::string> columns = {encode_array(Told{"i1", "i2"}),
                                              reals({1, 0.5F}),
                                              "model",
                                              encode_array(Told{}),
                                              "v",
                                              "",
                                              encode_array(Told{}),
                                              "",
                                              encode_array(because_of),
                                              reals({1, 0.5F}),
                                              encode_array(sources),
                                              encode_array(texts)};
    PGresult* result = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
    char name[] = "c";
    std::vector<PGresAttDesc> descriptions(columns.size());
    for (auto& column : descriptions) column.name = name;
    PQsetResultAttrs(result, static_cast<int>(columns.size()), descriptions.data());
    for (std::size_t i = 0; i < columns.size(); ++i) {
        std::string bytes = columns[i];
        PQsetvalue(result, 0, static_cast<int>(i), bytes.data(), static_cast<int>(bytes.size()));
    }
    return Rows(result);
}

nlohmann::json reasons_of(const Rows& rows) {
    Wish wish;
    wish.explain = true;
    return nlohmann::json::parse(recommend_json(rows, wish, {"id", std::chrono::steady_clock::now()}))
        .at("reasons");
}

TEST(Recommendation, TellsReasons) {
    EXPECT_EQ(reasons_of(explained({"a", std::nullopt}, {"clicks", "user"}, {"because of a", ""})),
              nlohmann::json::parse(
                  R"([{"because_of":"a","contribution":1.0,"source":"clicks","text":"because of a"},
                                        {"because_of":null,"contribution":0.5,"source":"user","text":""}])"));
}

TEST(Recommendation, RefusesReasonsThatAreNotWhole) {
    const Told sources = {"clicks", "user"}, texts = {"x", "y"}, because_of = {"a", std::nullopt};
    for (const Rows& rows : {explained(because_of, {"clicks", std::nullopt}, texts),
                             explained(because_of, sources, {std::nullopt, "y"}),
                             explained({"a"}, sources, texts), explained(because_of, {"clicks"}, texts)})
        try {
            const auto reasons = reasons_of(rows);
            FAIL() << reasons;
        } catch (const Problem& problem) {
            EXPECT_EQ(problem.status, 500);
            EXPECT_EQ(problem.kind, "database-error");
        }
}

}  // namespace
}  // namespace seqrec::sidecar
