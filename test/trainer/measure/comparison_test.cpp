// Two models on the same held-out rows.
#include "measure/comparison.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

/// Scores items by a list, whoever asks.
class Fixed final : public Weights {
  public:
    explicit Fixed(std::vector<float> scores) : scores_(std::move(scores)) {}
    at::Tensor item_rows() const override {
        at::Tensor rows = at::empty({static_cast<std::int64_t>(scores_.size()), 1});
        std::copy(scores_.begin(), scores_.end(), rows.data_ptr<float>());
        return rows;
    }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>&) const override {
        return at::ones({static_cast<std::int64_t>(histories.size()), 1});
    }
    at::Tensor user_rows() const override { return at::zeros({0, 0}); }
    std::vector<NamedTensor> tensors() const override { return {}; }

  private:
    std::vector<float> scores_;
};

class Comparing : public ::testing::Test {
  protected:
    /// The active version is the fixture kind's, which ranks by category and popularity.
    EarlierModel active(double seen_until) {
        const testing::Names names{{"a", "b", "c", "d", "e", "f"}, {"u", "v", "w", "x"}};
        testing::write_dataset(folder_ / "dataset", kSequences, 6, "", names);
        EXPECT_EQ(testing::run_job(folder_, nlohmann::json::object(), false, "category_popularity",
                                   SEQREC_TRAINER_FIXTURE)
                      .status,
                  0);
        testing::write_snapshot(SafetensorsFile::open(folder_ / "model"), names, folder_ / "snapshot");
        EarlierModel earlier(folder_ / "snapshot", folder_ / "dataset");
        earlier.seen_until.assign(earlier.users.size(), seen_until);
        return earlier;
    }
    nlohmann::json compare(const EarlierModel& earlier, std::vector<float> scores) {
        Workers workers(1);
        return compare_with_active(Dataset(folder_ / "dataset"), earlier, Fixed(std::move(scores)), {}, 1000,
                                   workers, [](double) {});
    }

    const testing::Sequences kSequences = {{0, 1, 2}, {0, 1, 3}, {0, 2, 3}, {1, 0, 3}};
    TempFolder folder_;
};

TEST_F(Comparing, WhereTooLittleIsNewAllRowsAreRanked) {
    const EarlierModel earlier = active(1e9);
    EXPECT_EQ(compare(earlier, {6, 5, 4, 3, 2, 1})["compared_rows"], 4);
}

TEST_F(Comparing, PairsOfRows) {
    EarlierModel earlier = active(-1e9);
    std::fill(earlier.items.begin() + 3, earlier.items.end(), -1);  // items 3, 4, 5 are new since
    // Asked for 2, 3, 3, 3 with the seen hidden: ours has them first, first, first, first; theirs has 2 first
    // of four and 3 behind all that it knows: of 2 3 4 5, of 1 3 4 5 and of 2 3 4 5, ties counting against
    // it.
    const auto found = compare(earlier, {1, 1, 4, 5, 0, 0});
    EXPECT_EQ(found["compared_rows"], 4);
    const double last = 1 / std::log2(3 + 2.0);  // rank 3 of 0
    EXPECT_NEAR(found["active_ndcg@10"], (1 + 3 * last) / 4, 1e-9);
    const double second = 1 / std::log2(1 + 2.0);
    // Ours: 2 after {0, 1} lies behind 3; 3 is always first.
    const double differences[] = {second - 1, 1 - last, 1 - last, 1 - last};
    double mean = 0, variance = 0;
    for (const double d : differences) mean += d / 4;
    for (const double d : differences) variance += (d - mean) * (d - mean) / 3;
    EXPECT_NEAR(found["ndcg@10_difference"], mean, 1e-9);
    EXPECT_NEAR(found["ndcg@10_standard_error"], std::sqrt(variance / 4), 1e-9);
}

}  // namespace
}  // namespace seqrec::trainer
