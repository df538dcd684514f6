// What the trainer makes of a dataset file.
#include "data/dataset.hpp"

#include <algorithm>

#include "kinds/transformer/batches.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;
using testing::Sequences;

/// A user's items, each where it stands for the last time.
std::vector<std::int32_t> last_places(const std::vector<std::int32_t>& sequence) {
    std::vector<std::int32_t> items;
    for (std::size_t i = 0; i < sequence.size(); ++i)
        if (std::find(sequence.begin() + static_cast<std::ptrdiff_t>(i) + 1, sequence.end(), sequence[i]) ==
            sequence.end())
            items.push_back(sequence[i]);
    return items;
}

TEST(Dataset, SeenItemsAreInTheOrderOfTheirLastInteraction) {
    const TempFolder folder;
    Sequences sequences = testing::walks(200, 30, 80);
    sequences.insert(sequences.begin() + 7, {std::vector<std::int32_t>{}, {3, 3, 3}, {1, 2, 1}});
    testing::write_dataset(folder / "dataset", sequences, 30);
    const Dataset data(folder / "dataset");
    const std::vector<std::int32_t> seen = data.seen_items();
    ASSERT_EQ(data.offsets().size(), sequences.size() + 1);
    ASSERT_EQ(data.offsets().back(), static_cast<std::int64_t>(seen.size()));
    for (std::size_t u = 0; u < sequences.size(); ++u)
        EXPECT_EQ(std::vector(seen.begin() + data.offsets()[u], seen.begin() + data.offsets()[u + 1]),
                  last_places(sequences[u]))
            << u;
}

/// Times are the numbers of the events, so later users are later.
TEST(Dataset, RecentInteractionsCountMore) {
    const TempFolder folder;
    Sequences sequences(100, {0, 1, 0});
    sequences.insert(sequences.end(), 100, {2, 1, 2});
    testing::write_dataset(folder / "dataset", sequences, 4);
    const std::vector<float> counts = Dataset(folder / "dataset").recent_counts();
    EXPECT_GT(counts[2], 4 * counts[0]);
    EXPECT_GT(counts[0], 0);
    EXPECT_NEAR(counts[1], counts[0] + counts[2], 0.1 * counts[1]);
    EXPECT_LE(counts[2], 200);
    EXPECT_EQ(counts[3], 0);
}

/// Whole numbers: floats stop at 2^24.
TEST(Dataset, CountsTheInteractionsOfAPart) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 0, 2, 3}, {1, 2, 3}, {3, 0}}, 5);
    const Dataset data(folder / "dataset");
    using Counts = std::vector<std::int64_t>;
    static_assert(std::is_same_v<decltype(data.counts(Part::All)), Counts>);
    EXPECT_EQ(data.counts(Part::Training), (Counts{2, 2, 0, 1, 0}));
    EXPECT_EQ(data.counts(Part::All), (Counts{2, 2, 2, 3, 0}));
}

TEST(Dataset, KnowsWhatAnEarlierModelHasLearned) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 0, 2, 3}, {4, 5}}, 6);  // events 0 to 4, 5 and 6
    Dataset data(folder / "dataset");
    EXPECT_FALSE(data.builds_on_a_model());
    EXPECT_EQ(data.known(0), 0);
    data.know_until({3, -1});
    EXPECT_TRUE(data.builds_on_a_model());
    EXPECT_EQ(data.known(0), 3);  // 0, 1 and 2
    EXPECT_EQ(data.known(1), 0);
    data.know_until({2, 100});
    EXPECT_EQ(data.known(0), 2);
    EXPECT_EQ(data.known(1), 2);
}

/// New labels always, of the others a quarter.
TEST(Batches, KeepNewLabelsAndSomeOfTheOld) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(400, 50, 60), 50);
    Dataset data(folder / "dataset");
    std::vector<double> seen;
    for (std::int64_t u = 0; u < data.users(); ++u)
        seen.push_back(u % 2 ? 1e9 : -1);  // all known, or nothing
    data.know_until(seen);
    Random random(1);
    const std::vector<Window> windows = cut_windows(data, Part::All, 20, random);
    std::int64_t old_kept = 0, old_labels = 0, new_kept = 0, new_labels = 0;
    for (const Window& window : windows)
        (window.user % 2 ? old_labels : new_labels) += window.end - window.begin;
    for (const Window& window : windows)
        for (const Packed& packed : pack_shards(data, Part::All, std::span(&window, 1), 1, 0, random)) {
            ASSERT_EQ(packed.trained.size(), packed.labels.size());
            for (std::size_t i = 0; i < packed.trained.size(); ++i)
                EXPECT_EQ(packed.labels[i], data.sequence(window.user)[window.begin + packed.trained[i] + 1]);
            (window.user % 2 ? old_kept : new_kept) += static_cast<std::int64_t>(packed.labels.size());
        }
    EXPECT_EQ(new_kept, new_labels);
    EXPECT_NEAR(static_cast<double>(old_kept) / static_cast<double>(old_labels), 0.25, 0.03);
}

/// The model file has them, the held-out items included.
TEST(Dataset, SeenItemsAreInTheModelFile) {
    const TempFolder folder;
    const Sequences sequences = {{0, 1, 2, 0}, {2, 2}, {1, 0, 1, 2, 3}};
    ASSERT_EQ(testing::train(folder, sequences, 4, {{"epochs", 1}, {"dim", 8}}).status, 0);
    const SafetensorsFile model = SafetensorsFile::open(folder / "model");
    const auto offsets = model.get<std::int64_t>("user.seen.offsets", {4});
    const auto items = model.get<std::int32_t>("user.seen.items", {-1});
    EXPECT_EQ(std::vector(offsets.begin(), offsets.end()), (std::vector<std::int64_t>{0, 3, 4, 8}));
    EXPECT_EQ(std::vector(items.begin(), items.end()), (std::vector<std::int32_t>{1, 2, 0, 2, 0, 1, 2, 3}));
}

}  // namespace
}  // namespace seqrec::trainer
