// What the trainer makes of a dataset file.
#include "dataset.hpp"

#include <algorithm>

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
