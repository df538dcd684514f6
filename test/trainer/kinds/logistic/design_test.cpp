// Where coefficients lie, and what counts as a positive.
#include "kinds/logistic/design.hpp"

#include <algorithm>
#include <set>

#include "rich_design.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::error_of;
using testing::FeaturedData;
using testing::FeaturedShop;
using testing::logistic_options;
using testing::Rich;
using testing::Wanted;

std::set<std::string> groups(const Design& design) {
    std::set<std::string> names;
    for (const Group& group : design.groups()) names.insert(group.name);
    return names;
}

TEST(Design, EveryCoefficientHasAGroup) {
    for (const bool ids : {true, false}) {
        const Rich rich(Wanted{}, {{"ids", ids}});
        const auto& of = rich.design.group_of();
        ASSERT_EQ(of.size(), static_cast<std::size_t>(rich.design.layout().total()));
        for (std::size_t g = 0; g < rich.design.groups().size(); ++g)
            EXPECT_EQ(std::ranges::count(of, g), rich.design.groups()[g].size)
                << rich.design.groups()[g].name;
        EXPECT_EQ(std::ranges::count(of, Design::kIntercept), 1);
        EXPECT_EQ(groups(rich.design).contains("user_id"), ids);
        EXPECT_EQ(groups(rich.design).contains("item_id"), ids);
    }
}

TEST(Design, CrossesAreAllOrThoseOfTheList) {
    const auto with = groups(Rich(Wanted{}).design);
    for (const char* name :
         {"gender * genres", "place * price", "user_id * genres", "gender * item_id", "gender", "genres",
          "clicked genres", "maker (each)", "word (each)", "joined * made"})
        EXPECT_TRUE(with.contains(name)) << name;
    const auto listed =
        nlohmann::json::parse(R"([["gender", "genres"], ["price", "user_id"], ["item_id", "age"]])");
    const auto some = groups(Rich(Wanted{}, {{"crosses", listed}}).design);
    for (const char* name : {"gender * genres", "user_id * price", "age * item_id", "gender", "genres"})
        EXPECT_TRUE(some.contains(name)) << name;
    for (const char* name : {"gender * price", "user_id * genres", "gender * item_id"})
        EXPECT_FALSE(some.contains(name)) << name;
    for (const std::string& name : groups(Rich(Wanted{}, {{"crosses", "none"}}).design))
        EXPECT_EQ(name.find('*'), std::string::npos) << name;
}

TEST(Design, CrossesOfWhatIsNotThereAreRefused) {
    for (const char* pair : {R"([["gendre", "genres"]])", R"([["gender", "age"]])",
                             R"([["genres", "price"]])", R"([["user_id", "user_id"]])"}) {
        std::string message;
        EXPECT_EQ(error_of(
                      [&] {
                          Rich(Wanted{}, {{"crosses", nlohmann::json::parse(pair)}});
                      },
                      &message),
                  "22023")
            << pair;
        EXPECT_NE(message.find("Columns of "), std::string::npos) << message;
    }
}

/// A value without letters is a value; a number meets items by its bins alone.
TEST(Design, EveryValueButTheNumberMeetsItemsOwnRows) {
    FeaturedData data{{{0, 1, 2}, {1, 0}}, 3};
    data.user = {{"city", "category", {}, {{""}, {"x"}}}, {"age", "number", {1, 2}}};
    const FeaturedShop shop(data);
    const Design design(shop.data, logistic_options());
    ASSERT_EQ(design.layout().slots, 2 + 2 + 3);
    for (const std::int32_t slot : {0, 2, 3, 4, 5}) EXPECT_GE(design.own_of(slot), 0) << slot;
    for (const std::int32_t slot : {1, 6}) EXPECT_EQ(design.own_of(slot), -1) << slot;
    EXPECT_EQ(design.layout().own, 5);
}

/// Labels of five interactions.
FeaturedData labelled(std::vector<float> labels) {
    FeaturedData data{{{0, 1, 2}, {1, 0}}, 3};
    data.labels = std::move(labels);
    return data;
}

std::vector<int> positives(const FeaturedData& data, const nlohmann::json& options) {
    const FeaturedShop shop(data);
    const Design design(shop.data, logistic_options(options));
    std::vector<int> all;
    for (std::int64_t at = 0; at < 5; ++at) all.push_back(design.event(at).positive);
    return all;
}

TEST(Design, APositiveIsOneOrWhatIsNotBelowABound) {
    const auto none = nlohmann::json::object();
    EXPECT_EQ(positives(labelled({1, 0, NAN, 0, 1}), none), (std::vector<int>{1, 0, -1, 0, 1}));
    EXPECT_EQ(positives(labelled({5, 4, NAN, 3, 1}), {{"positive_from", 4}, {"label", "stars"}}),
              (std::vector<int>{1, 1, -1, 0, 0}));
    EXPECT_EQ(positives(labelled({}), none), (std::vector<int>{1, 1, 1, 1, 1}));
    std::string message;
    EXPECT_EQ(error_of([&] { positives(labelled({1, 0, 2.5f, 0, 1}), none); }, &message), "22023");
    EXPECT_NE(message.find("2.5"), std::string::npos) << message;
    EXPECT_NE(message.find("positive_from"), std::string::npos) << message;
}

TEST(Design, SaysWhatItLeftOutOrFolded) {
    const Rich rich([] {
        FeaturedData data = testing::rich_data();
        data.user.push_back({"species", "category", {}, {}});
        data.user.back().values.assign(testing::kRichUsers, {"human"});
        return data;
    }());
    const std::vector<std::string> warnings = rich.design.warnings();
    const auto says = [&](const std::string& start) {
        return std::ranges::count_if(warnings,
                                     [&](const std::string& one) { return one.starts_with(start); });
    };
    EXPECT_EQ(warnings.size(), 3u);
    EXPECT_EQ(says("column \"species\" is the same"), 1);
    EXPECT_EQ(says("column \"maker\" has many values: 70"), 1);
    EXPECT_EQ(says("column \"word\" has many values: 75"), 1);
}

/// The same places, other numbers.
TEST(Design, PopularityCanBeCountedAnew) {
    Rich rich(Wanted{});
    const std::vector<Entry> before = rich.design.items().slots;
    const std::int64_t total = rich.design.layout().total();
    rich.design.count_popularity(Part::All);
    const std::vector<Entry>& after = rich.design.items().slots;
    ASSERT_EQ(after.size(), before.size());
    bool differs = false;
    for (std::size_t i = 0; i < before.size(); ++i) {
        differs |= after[i].x != before[i].x;
        if (before[i].feature >= rich.design.layout().columns - 4) continue;  // two of two features each
        EXPECT_EQ(after[i].feature, before[i].feature);
        EXPECT_EQ(after[i].x, before[i].x);
    }
    EXPECT_TRUE(differs);
    EXPECT_EQ(rich.design.layout().total(), total);
}

}  // namespace
}  // namespace seqrec::trainer
