#include "core/explain.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using testing::TempFolder;
using testing::TinyModel;

using Indexes = std::vector<std::int32_t>;

class Explain : public ::testing::Test {
  protected:
    Explain() {
        model_.write(path_);
        snapshot_ = std::make_unique<Snapshot>(Snapshot::open(path_));
    }

    std::vector<Reason> reasons(std::string_view user, const Indexes& clicks, const Indexes& items) const {
        std::vector<std::string_view> ids;
        for (const std::int32_t click : clicks) ids.push_back(model_.item_id(click));
        return explain(*snapshot_, {user, ids}, items, true, {});
    }

    /// The score by the definition: the cosine, 0 when nothing is known.
    float score(const Indexes& clicks, std::int32_t user, std::int32_t item) const {
        std::vector<float> vector(static_cast<std::size_t>(model_.dim));
        snapshot_->encoder().encode({clicks, user}, vector, Precision::Exact);
        const auto& row = model_.item_embedding(item);
        const double dot = std::inner_product(row.begin(), row.end(), vector.begin(), 0.0);
        return static_cast<float>(dot /
                                  std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0)));
    }

    float loss_without(Indexes clicks, std::int32_t left_out, std::int32_t user, std::int32_t item) const {
        const float with = score(clicks, user, item);
        std::erase(clicks, left_out);
        return with - score(clicks, user, item);
    }

    /// Checks each reason against every click's loss and the user's, one by one.
    void expect_definition(std::string_view user_id, std::int32_t user, const Indexes& clicks) const {
        Indexes items(static_cast<std::size_t>(model_.items()));
        std::iota(items.begin(), items.end(), 0);
        const auto found = reasons(user_id, clicks, items);
        for (const std::int32_t item : items) {
            float best = -2;
            for (const std::int32_t click : clicks)
                best = std::max(best, loss_without(clicks, click, user, item));
            const float by_user = user < 0 ? -2 : score(clicks, user, item) - score(clicks, -1, item);
            const Reason& reason = found[static_cast<std::size_t>(item)];
            if (by_user > best && by_user > 0) {
                EXPECT_EQ(reason.source, Source::User) << item;
                EXPECT_EQ(reason.click, -1) << item;
                EXPECT_NEAR(reason.contribution, by_user, 1e-5) << item;
                continue;
            }
            EXPECT_EQ(reason.source, Source::Clicks) << item;
            EXPECT_NEAR(reason.contribution, best, 1e-5) << item;
            EXPECT_EQ(reason.click >= 0, best > 0) << item;
            if (best > 0) {
                EXPECT_NEAR(loss_without(clicks, reason.click, user, item), best, 1e-5) << item;
            }
        }
    }

    TempFolder folder_;
    std::string path_ = folder_ / "snapshot";
    TinyModel model_;
    std::unique_ptr<Snapshot> snapshot_;
};

TEST_F(Explain, NamesTheClickWhoseLossCostsMost) { expect_definition("nobody", -1, {1, 7, 4, 12}); }

TEST_F(Explain, WeighsTheUserAgainstTheClicks) {
    expect_definition("user-1", 1, {1, 7, 4});
    expect_definition("user-4", 4, {9, 2, 6, 11});
}

TEST_F(Explain, LeavesOutAnItemThatWasClickedTwiceAltogether) {
    const auto twice = reasons("nobody", {3, 8, 3}, {5, 6}), once = reasons("nobody", {8, 3}, {5, 6});
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(twice[i].click, once[i].click);
        EXPECT_EQ(twice[i].contribution, once[i].contribution);
    }
}

TEST_F(Explain, LooksAsFarAsTheEncoder) {
    const Indexes clicks = {10, 11, 12, 13, 14, 15, 16, 17, 18};  // of which the last six count
    Indexes items(static_cast<std::size_t>(model_.items()));
    std::iota(items.begin(), items.end(), 0);
    for (const Reason& reason : reasons("nobody", clicks, items)) {
        EXPECT_TRUE(reason.click == -1 || reason.click >= 13) << reason.click;
    }
    // The click before the window moves up when one of the window is left out.
    const Reason reason = reasons("nobody", clicks, {2}).front();
    ASSERT_GE(reason.click, 13);
    EXPECT_NEAR(reason.contribution, loss_without(clicks, reason.click, -1, 2), 1e-5);
}

TEST_F(Explain, SaysWhatAnswersWithoutClicks) {
    const Reason user = reasons("user-1", {}, {2}).front();
    EXPECT_EQ(user.source, Source::User);
    EXPECT_NEAR(user.contribution, score({}, 1, 2), 1e-5);
    for (const std::string_view id : {"nobody", "user-3"}) {
        const Reason popular = reasons(id, {}, {2}).front();
        EXPECT_EQ(popular.source, Source::Popular);
        EXPECT_EQ(popular.click, -1);
        EXPECT_FLOAT_EQ(popular.contribution, 14.0f / 190.0f);  // its share
    }
}

TEST_F(Explain, TheOnlyClickIsAllThereIs) {
    const Reason reason = reasons("nobody", {4}, {4}).front();
    EXPECT_NEAR(reason.contribution, score({4}, -1, 4), 1e-5);
}

TEST_F(Explain, PollsAndTakesNoItems) {
    EXPECT_TRUE(reasons("user-1", {1, 2}, {}).empty());
    const Poll stop = [] { throw Error(sqlstate::kDataCorrupted, "stopped"); };
    const std::vector<std::string_view> ids = {"item-1"};
    const Indexes items = {1};
    EXPECT_THROW(explain(*snapshot_, {"nobody", ids}, items, true, stop), Error);
}

}  // namespace
}  // namespace seqrec
