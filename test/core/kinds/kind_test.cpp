// The registry of kinds: names, and what is said of one that is not known.
#include "core/kinds/kind.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/kinds/transformer.hpp"
#include "memory_file.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;

TEST(Kinds, HaveNamesAndOptionsOfTheirOwn) {
    std::set<std::string_view> names;
    for (const Kind* kind : kinds()) {
        EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
        EXPECT_FALSE(kind->meaning.empty()) << kind->name;
        EXPECT_EQ(&find_kind(kind->name), kind);
        EXPECT_NE(kind->open, nullptr) << kind->name;
        std::set<std::string_view> options;
        for (const OptionSpec& spec : option_specs(kind->name))
            EXPECT_TRUE(options.insert(spec.name).second) << kind->name << " " << spec.name;
        for (const std::string_view name : kind->shape)
            EXPECT_TRUE(options.contains(name)) << kind->name << " " << name;
    }
    EXPECT_EQ(kinds().front(), &kTransformer) << "the default";
    EXPECT_TRUE(names.contains("category_popularity")) << "linked in by a test";
}

TEST(Kinds, EveryDefaultIsAcceptedByTheKind) {
    for (const Kind* kind : kinds()) {
        const nlohmann::json defaults = resolve_options(kind->name, nlohmann::json::object());
        EXPECT_EQ(resolve_options(kind->name, defaults), defaults) << kind->name;
        EXPECT_EQ(defaults.size(), option_specs(kind->name).size());
    }
}

TEST(Kinds, AnUnknownOneIsRefusedByName) {
    std::string message;
    EXPECT_EQ(error_of([] { find_kind("Transformer"); }, &message), sqlstate::kInvalidParameter);
    EXPECT_NE(message.find("\"Transformer\""), std::string::npos) << message;
    EXPECT_NE(message.find("transformer, logistic, two_tower, vae, p5, category_popularity"),
              std::string::npos)
        << message;
}

SafetensorsFile file_of(const std::string& kind) {
    const std::string bytes =
        testing::safetensors_bytes(kind.empty() ? "{}" : R"({"__metadata__":{"kind":")" + kind + "\"}}", "");
    return SafetensorsFile::open(testing::MemoryFile(bytes).path());
}

/// A model of a later version is not served as if it were of another kind.
TEST(Kinds, AFileOfAnUnknownOneIsNeverGuessed) {
    EXPECT_EQ(&kind_of(file_of("transformer")), &kTransformer);
    std::string message;
    EXPECT_EQ(error_of([] { kind_of(file_of("two_tower_9")); }, &message), sqlstate::kFeatureNotSupported);
    EXPECT_NE(message.find("\"two_tower_9\""), std::string::npos) << message;
    EXPECT_NE(message.find("train again"), std::string::npos) << message;
    EXPECT_EQ(error_of([] { kind_of(file_of("")); }), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
