// What the trainer makes of a dataset file.
#include "data/dataset.hpp"

#include "core/measure/drawn_users.hpp"

#include <algorithm>

#include "kinds/shared/batches.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

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
    testing::Sequences sequences = testing::walks(200, 30, 80);
    sequences.insert(sequences.begin() + 7, {std::vector<std::int32_t>{}, {3, 3, 3}, {1, 2, 1}});
    testing::write_dataset(folder / "dataset", sequences, 30);
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
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
    testing::Sequences sequences(100, {0, 1, 0});
    sequences.insert(sequences.end(), 100, {2, 1, 2});
    testing::write_dataset(folder / "dataset", sequences, 4);
    const std::vector<float> counts =
        Dataset(folder / "dataset", testing::with_repeats("first")).recent_counts();
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
    const Dataset data(folder / "dataset", testing::with_repeats("first"));
    using Counts = std::vector<std::int64_t>;
    static_assert(std::is_same_v<decltype(data.counts(Part::All)), Counts>);
    EXPECT_EQ(data.counts(Part::Training), (Counts{2, 2, 0, 1, 0}));
    EXPECT_EQ(data.counts(Part::All), (Counts{2, 2, 2, 3, 0}));
}

TEST(Dataset, KnowsWhatAnEarlierModelHasLearned) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 0, 2, 3}, {4, 5}}, 6);  // events 0 to 4, 5 and 6
    Dataset data(folder / "dataset", testing::with_repeats("first"));
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
    const std::vector<Window> windows = cut_windows(trainer::Sequences(data, Part::All, nullptr), 20, random);
    std::int64_t old_kept = 0, old_labels = 0, new_kept = 0, new_labels = 0;
    for (std::int64_t u = 0; u < data.users(); ++u)
        (u % 2 ? old_labels : new_labels) += static_cast<std::int64_t>(data.sequence(u).size()) - 1;
    for (const Window& window : windows)
        for (const Packed& packed :
             pack_shards(trainer::Sequences(data, Part::All, nullptr), std::span(&window, 1), 1, 0, random)) {
            ASSERT_EQ(packed.trained.size(), packed.labels.size());
            for (std::size_t i = 0; i < packed.trained.size(); ++i)
                EXPECT_EQ(packed.labels[i], data.sequence(window.user)[window.begin + packed.trained[i] + 1]);
            (window.user % 2 ? old_kept : new_kept) += static_cast<std::int64_t>(packed.labels.size());
        }
    EXPECT_EQ(new_kept, new_labels);
    EXPECT_NEAR(static_cast<double>(old_kept) / static_cast<double>(old_labels), 0.25, 0.05);
}

/// What of the others is held out by leave-one-out is trained on.
TEST(Dataset, AsksOnlyAShareOfTheUsers) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", testing::walks(1000, 50, 10), 50);
    const auto read = [&](double share, std::uint64_t seed) {
        DatasetOptions options = testing::with_repeats("keep");
        options.holdout_share = share;
        options.seed = seed;
        return Dataset(folder / "dataset", options);
    };
    const Dataset all = read(1, 1), some = read(0.2, 1), others = read(0.2, 2), none = read(0, 1);
    EXPECT_EQ(all.questions(HeldOut::Test).size(), 1000U);
    EXPECT_NEAR(static_cast<double>(some.questions(HeldOut::Test).size()), 200, 40);
    EXPECT_NE(some.questions(HeldOut::Test), others.questions(HeldOut::Test));
    EXPECT_EQ(some.questions(HeldOut::Test), read(0.2, 1).questions(HeldOut::Test));
    EXPECT_EQ(none.training_interactions(), none.interactions());
    EXPECT_EQ(some.training_interactions(),
              some.interactions() - 2 * static_cast<std::int64_t>(some.questions(HeldOut::Test).size()));
    for (const Question& question : some.questions(HeldOut::Validation))
        EXPECT_TRUE(is_drawn(question.user, 1, 0.2));
    EXPECT_EQ(some.config().at("holdout_share"), 0.2);
}

/// The model file has them, the held-out items included.
TEST(Dataset, SeenItemsAreInTheModelFile) {
    const TempFolder folder;
    const testing::Sequences sequences = {{0, 1, 2, 0}, {2, 2}, {1, 0, 1, 2, 3}};
    ASSERT_EQ(testing::train(folder, sequences, 4, {{"epochs", 1}, {"dim", 8}, {"repeats", "first"}}).status,
              0);
    const SafetensorsFile model = SafetensorsFile::open(folder / "model");
    const auto offsets = model.get<std::int64_t>("user.seen.offsets", {4});
    const auto items = model.get<std::int32_t>("user.seen.items", {-1});
    EXPECT_EQ(std::vector(offsets.begin(), offsets.end()), (std::vector<std::int64_t>{0, 3, 4, 8}));
    EXPECT_EQ(std::vector(items.begin(), items.end()), (std::vector<std::int32_t>{1, 2, 0, 2, 0, 1, 2, 3}));
}

std::vector<std::int32_t> sequence_of(const Dataset& data, std::int64_t user) {
    return {data.sequence(user).begin(), data.sequence(user).end()};
}
std::vector<std::int32_t> training_of(const Dataset& data, std::int64_t user) {
    return {data.training(user).begin(), data.training(user).end()};
}

using Items = std::vector<std::int32_t>;
using Questions = std::vector<Question>;

TEST(Repeats, AreKeptOrReducedToTheFirst) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 0, 0, 2}, {3, 3}}, 4);
    const Dataset keep(folder / "dataset", testing::with_repeats("keep"));
    EXPECT_TRUE(keep.keeps_repeats());
    EXPECT_EQ(sequence_of(keep, 0), (Items{0, 1, 0, 0, 2}));
    EXPECT_EQ(training_of(keep, 0), (Items{0, 1, 0}));
    EXPECT_EQ(sequence_of(keep, 1), (Items{3, 3}));
    EXPECT_EQ(keep.interactions(), 7);
    EXPECT_EQ(keep.seen_items(), (Items{0, 1, 0, 0, 2, 3, 3}));
    EXPECT_EQ(keep.config().at("repeats"), "keep");
    const Dataset first(folder / "dataset", testing::with_repeats("first"));
    EXPECT_FALSE(first.keeps_repeats());
    EXPECT_EQ(sequence_of(first, 0), (Items{0, 1, 2}));
    EXPECT_EQ(training_of(first, 0), (Items{0}));
    EXPECT_EQ(sequence_of(first, 1), (Items{3}));
    EXPECT_EQ(first.interactions(), 4);
    EXPECT_EQ(first.rows(), 7);
    EXPECT_EQ(first.seen_items(), (Items{1, 0, 2, 3}));
    EXPECT_EQ(first.config().at("repeats"), "first");
}

/// Times are the numbers of the events: what lies side by side is a second apart.
TEST(Repeats, RightAfterEachOtherAreMerged) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 0, 0, 1, 0, 2, 2}, {2, 1}}, 3);
    DatasetOptions options = testing::with_repeats("keep");
    options.merge_seconds = 1;
    const Dataset merged(folder / "dataset", options);
    EXPECT_EQ(sequence_of(merged, 0), (Items{0, 1, 0, 2}));
    EXPECT_EQ(sequence_of(merged, 1), (Items{2, 1}));  // another user's 2 is before it
    EXPECT_EQ(merged.config().at("merge_seconds"), 1);
    options.merge_seconds = 0.5;
    EXPECT_EQ(sequence_of(Dataset(folder / "dataset", options), 0), (Items{0, 0, 0, 1, 0, 2, 2}));
    EXPECT_TRUE(
        Dataset(folder / "dataset", testing::with_repeats("keep")).config().at("merge_seconds").is_null());
}

/// One in twenty is not many, two are.
TEST(Repeats, AreKeptByThemselvesWhereMoreThanOneInTwentyTestsIsOne) {
    const TempFolder folder;
    testing::Sequences sequences(20, {0, 1, 2, 3});
    sequences.push_back({0, 0});  // too short to be asked about
    sequences[4] = {0, 1, 2, 1};
    testing::write_dataset(folder / "dataset", sequences, 4);
    const Dataset few(folder / "dataset");
    EXPECT_DOUBLE_EQ(few.repeat_share().value(), 1.0 / 20);
    EXPECT_FALSE(few.keeps_repeats());
    sequences[5] = {0, 1, 2, 2};
    testing::write_dataset(folder / "dataset", sequences, 4);
    const Dataset many(folder / "dataset");
    EXPECT_DOUBLE_EQ(many.repeat_share().value(), 2.0 / 20);
    EXPECT_TRUE(many.keeps_repeats());
    DatasetOptions merge;
    merge.merge_seconds = 1;
    EXPECT_DOUBLE_EQ(Dataset(folder / "dataset", merge).repeat_share().value(), 1.0 / 20);
    testing::write_dataset(folder / "dataset", {{0, 1}, {1, 1}}, 2);
    EXPECT_FALSE(Dataset(folder / "dataset").repeat_share());
    EXPECT_FALSE(Dataset(folder / "dataset").keeps_repeats());
}

/// A first interaction may be years before a repeat of today.
TEST(Repeats, CountAmongTheRecent) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {Items(100, 0), Items(100, 1)}, 2);
    const std::vector<float> counts =
        Dataset(folder / "dataset", testing::with_repeats("keep")).recent_counts();
    EXPECT_GT(counts[1], 4 * counts[0]);
    EXPECT_GT(counts[0], 1);
    EXPECT_GT(counts[1], 40);
}

TEST(Repeats, AreKnownOneByOne) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1, 0, 0, 2}, {4, 4}}, 5);
    Dataset data(folder / "dataset", testing::with_repeats("keep"));
    data.know_until({2, 100});
    EXPECT_EQ(data.known(0), 3);
    EXPECT_EQ(data.known(1), 2);
}

TEST(Questions, AreAboutTheLastTwoItems) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1}, {0, 1, 2, 3}, {}, {2, 1, 0}}, 4);
    Dataset data(folder / "dataset");
    EXPECT_EQ(data.questions(HeldOut::Validation), (Questions{{1, 2}, {3, 1}}));
    EXPECT_EQ(data.questions(HeldOut::Test), (Questions{{1, 3}, {3, 2}}));
    EXPECT_EQ(users_of(data.questions(HeldOut::Test)), 2u);
    EXPECT_EQ(data.training_interactions(), 2 + 2 + 1);
    data.evaluate_only_after({9, 4, 9, 6});  // events 4 and 5, 7 and 8 are asked for
    EXPECT_EQ(data.questions(HeldOut::Test), (Questions{{3, 2}}));
    data.evaluate_only_after({9, 9, 9, 7});
    EXPECT_TRUE(data.questions(HeldOut::Test).empty());
    EXPECT_TRUE(data.questions(HeldOut::Validation).empty());
}

/// Twenty users one after the other, five events each.
class SplitByTime : public ::testing::Test {
  protected:
    SplitByTime() {
        testing::Sequences sequences(20, {0, 1, 2, 1, 3});
        testing::write_dataset(folder_ / "dataset", sequences, 4);
    }

    TempFolder folder_;
};

TEST_F(SplitByTime, NobodyTrainsOnWhatComesLater) {
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    EXPECT_TRUE(data.split_by_time());
    EXPECT_EQ(data.config().at("split"), "time");
    for (std::int64_t user = 0; user < 20; ++user) {
        EXPECT_EQ(training_of(data, user), user < 16 ? sequence_of(data, user) : Items{}) << user;
        EXPECT_EQ(data.part(user, Part::All).size(), 5u);
    }
    EXPECT_EQ(data.counts(Part::Training), (std::vector<std::int64_t>{16, 32, 16, 16}));
    EXPECT_EQ(data.training_interactions(), 80);
}

TEST_F(SplitByTime, AsksForEveryInteractionButAUsersFirst) {
    Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    EXPECT_EQ(data.questions(HeldOut::Validation),
              (Questions{{16, 1}, {16, 2}, {16, 3}, {16, 4}, {17, 1}, {17, 2}, {17, 3}, {17, 4}}));
    EXPECT_EQ(data.questions(HeldOut::Test),
              (Questions{{18, 1}, {18, 2}, {18, 3}, {18, 4}, {19, 1}, {19, 2}, {19, 3}, {19, 4}}));
    EXPECT_DOUBLE_EQ(data.repeat_share().value(), 2.0 / 8);
    std::vector<double> seen(20, -1);
    seen[18] = 90;  // the user's first; the next, at 91, is asked for
    seen[19] = 96;
    data.evaluate_only_after(seen);
    EXPECT_EQ(data.questions(HeldOut::Test), (Questions{{18, 1}, {18, 2}, {18, 3}, {18, 4}}));
    const Dataset first(folder_ / "dataset", testing::with_repeats("first", true));
    EXPECT_EQ(first.questions(HeldOut::Test),
              (Questions{{18, 1}, {18, 2}, {18, 3}, {19, 1}, {19, 2}, {19, 3}}));
}

TEST_F(SplitByTime, PartsAUserWhoIsThereAllTheTime) {
    testing::write_dataset(folder_ / "dataset", {Items{0, 1, 2, 3, 0, 1, 2, 3, 0, 1}}, 4);
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    EXPECT_EQ(training_of(data, 0), (Items{0, 1, 2, 3, 0, 1, 2, 3}));
    EXPECT_EQ(data.questions(HeldOut::Validation), (Questions{{0, 8}}));
    EXPECT_EQ(data.questions(HeldOut::Test), (Questions{{0, 9}}));
}

/// Forty events at a time: the last twenty are both beyond 80 and beyond 90 of 100.
TEST_F(SplitByTime, ACoarseClockHasATestAndAValidation) {
    testing::write_dataset(folder_ / "dataset", testing::Sequences(20, {0, 1, 2, 1, 3}), 4, "", {}, 40);
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    EXPECT_EQ(data.training_interactions(), 40);
    EXPECT_EQ(data.questions(HeldOut::Validation).size(), 8U * 4);
    EXPECT_EQ(data.questions(HeldOut::Test).size(), 4U * 4);
    EXPECT_EQ(data.questions(HeldOut::Test).front(), (Question{16, 1}));
}

TEST_F(SplitByTime, NeedsSomethingBefore) {
    testing::write_dataset(folder_ / "dataset", {{0}, {1}, {0}, {1}, {0}, {1}, {0}, {1}, {0, 1, 0}}, 2);
    EXPECT_EQ(
        seqrec::testing::error_of([&] { Dataset(folder_ / "dataset", testing::with_repeats("keep", true)); }),
        sqlstate::kNotEnoughData);
}

DatasetOptions by_chance(std::uint64_t seed = 1, const char* repeats = "keep") {
    DatasetOptions options = testing::with_repeats(repeats);
    options.split = Split::Random;
    options.seed = seed;
    return options;
}

std::size_t length(std::pair<std::int32_t, std::int32_t> range) {
    return static_cast<std::size_t>(range.second - range.first);
}

/// Some 4,000 events; user 7 has none.
class SplitByChance : public ::testing::Test {
  protected:
    SplitByChance() {
        sequences_[7].clear();
        testing::write_dataset(folder_ / "dataset", sequences_, 50);
    }

    TempFolder folder_;
    testing::Sequences sequences_ = testing::walks(200, 50, 40);
};

TEST_F(SplitByChance, IsEightToOneToOne) {
    const Dataset data(folder_ / "dataset", by_chance());
    double training = 0, validation = 0, test = 0;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto valid = data.held_out(u, HeldOut::Validation), tested = data.held_out(u, HeldOut::Test);
        training += static_cast<double>(data.training(u).size());
        validation += static_cast<double>(length(valid));
        test += static_cast<double>(length(tested));
        EXPECT_EQ(valid.first, static_cast<std::int32_t>(data.training(u).size()));
        EXPECT_EQ(valid.second, tested.first);
        EXPECT_EQ(tested.second, static_cast<std::int32_t>(data.sequence(u).size()));
    }
    const auto all = static_cast<double>(data.interactions());
    EXPECT_NEAR(training / all, 0.8, 0.03);
    EXPECT_NEAR(validation / all, 0.1, 0.02);
    EXPECT_NEAR(test / all, 0.1, 0.02);
    EXPECT_EQ(training, data.training_interactions());
    EXPECT_FALSE(data.split_by_time());
    EXPECT_EQ(data.config().at("split"), "random");
}

TEST_F(SplitByChance, DependsOnTheSeedAlone) {
    const Dataset first(folder_ / "dataset", by_chance()), again(folder_ / "dataset", by_chance()),
        other(folder_ / "dataset", by_chance(2));
    EXPECT_EQ(first.questions(HeldOut::Test), again.questions(HeldOut::Test));
    EXPECT_EQ(first.rows_of_sequences(), again.rows_of_sequences());
    EXPECT_NE(first.rows_of_sequences(), other.rows_of_sequences());
}

/// The training part comes first, and each part is in the order of time.
TEST_F(SplitByChance, PartsLieOneAfterTheOther) {
    const Dataset data(folder_ / "dataset", by_chance());
    const std::vector<std::int64_t> rows = data.rows_of_sequences();
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto begin = rows.begin() + data.offsets()[static_cast<std::size_t>(u)];
        EXPECT_TRUE(std::ranges::equal(data.training(u), data.sequence(u).first(data.training(u).size())));
        const auto valid = data.held_out(u, HeldOut::Validation), test = data.held_out(u, HeldOut::Test);
        EXPECT_TRUE(std::is_sorted(begin, begin + valid.first));
        EXPECT_TRUE(std::is_sorted(begin + valid.first, begin + valid.second));
        EXPECT_TRUE(std::is_sorted(begin + test.first, begin + test.second));
        Items sorted = sequence_of(data, u), whole = sequences_[static_cast<std::size_t>(u)];
        std::ranges::sort(sorted);
        std::ranges::sort(whole);
        EXPECT_EQ(sorted, whole);
    }
    EXPECT_TRUE(data.sequence(7).empty());
    EXPECT_EQ(length(data.held_out(7, HeldOut::Validation)) + length(data.held_out(7, HeldOut::Test)), 0u);
}

TEST_F(SplitByChance, AsksForWhatIsHeldOut) {
    const Dataset data(folder_ / "dataset", by_chance());
    for (const HeldOut which : {HeldOut::Validation, HeldOut::Test}) {
        Questions expected;
        for (std::int32_t u = 0; u < data.users(); ++u) {
            const auto [begin, end] = data.held_out(u, which);
            for (std::int32_t at = std::max(begin, 1); at < end; ++at) expected.push_back({u, at});
        }
        EXPECT_EQ(data.questions(which), expected);
        EXPECT_FALSE(expected.empty());
    }
}

/// Whichever rows a part has, the time of each and what it is about belong to it.
TEST_F(SplitByChance, RowsBelongToTheirItems) {
    for (const DatasetOptions& options :
         {by_chance(), by_chance(1, "first"), testing::with_repeats("first")}) {
        const Dataset data(folder_ / "dataset", options);
        const std::vector<std::int64_t> rows = data.rows_of_sequences();
        const auto items = data.file().get<std::int32_t>("event.item", {data.rows()});
        ASSERT_EQ(rows.size(), static_cast<std::size_t>(data.interactions()));
        for (std::size_t i = 0; i < rows.size(); ++i)
            EXPECT_EQ(items[static_cast<std::size_t>(rows[i])], data.items_of_sequences()[i]);
        std::vector<std::int64_t> each = rows;
        std::ranges::sort(each);
        EXPECT_TRUE(std::ranges::adjacent_find(each) == each.end());
    }
}

/// Who serves the model takes the last of them for the latest.
TEST_F(SplitByChance, SeenItemsStayInTheOrderOfTime) {
    const Dataset data(folder_ / "dataset", by_chance());
    EXPECT_EQ(data.seen_items(), Dataset(folder_ / "dataset", testing::with_repeats("keep")).seen_items());
    EXPECT_EQ(Dataset(folder_ / "dataset", by_chance(1, "first")).seen_items(),
              Dataset(folder_ / "dataset", testing::with_repeats("first")).seen_items());
}

TEST_F(SplitByChance, TakesThePlaceOfTimeWhereThereIsOneTimeOnly) {
    testing::write_dataset(folder_ / "dataset", sequences_, 50, "", {}, 1000000);
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    EXPECT_EQ(data.split(), Split::Random);
    EXPECT_FALSE(data.split_by_time());
    EXPECT_EQ(data.config().at("split"), "random");
    EXPECT_EQ(data.questions(HeldOut::Test),
              Dataset(folder_ / "dataset", by_chance()).questions(HeldOut::Test));
}

TEST_F(SplitByChance, RecentCountsAreOfThePart) {
    testing::write_dataset(folder_ / "dataset", sequences_, 50, "", {}, 1000000);  // all count 1
    const Dataset data(folder_ / "dataset", by_chance());
    for (const Part part : {Part::Training, Part::All}) {
        const std::vector<std::int64_t> counts = data.counts(part);
        EXPECT_EQ(data.recent_counts(part), std::vector<float>(counts.begin(), counts.end()));
    }
    EXPECT_NE(data.counts(Part::Training), data.counts(Part::All));
}

TEST(HeldOutRanges, AreTheLastTwoOfAUserWhoHasThree) {
    const TempFolder folder;
    testing::write_dataset(folder / "dataset", {{0, 1}, {0, 1, 2, 3}, {}}, 4);
    const Dataset data(folder / "dataset");
    using Range = std::pair<std::int32_t, std::int32_t>;
    EXPECT_EQ(data.held_out(0, HeldOut::Validation), Range(2, 2));
    EXPECT_EQ(data.held_out(0, HeldOut::Test), Range(2, 2));
    EXPECT_EQ(data.held_out(1, HeldOut::Validation), Range(2, 3));
    EXPECT_EQ(data.held_out(1, HeldOut::Test), Range(3, 4));
    EXPECT_EQ(data.held_out(2, HeldOut::Validation), Range(0, 0));
    EXPECT_EQ(data.held_out(2, HeldOut::Test), Range(0, 0));
}

TEST_F(SplitByTime, HeldOutRangesHaveAUsersFirstToo) {
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    using Range = std::pair<std::int32_t, std::int32_t>;
    EXPECT_EQ(data.held_out(15, HeldOut::Validation), Range(5, 5));
    EXPECT_EQ(data.held_out(16, HeldOut::Validation), Range(0, 5));
    EXPECT_EQ(data.held_out(16, HeldOut::Test), Range(5, 5));
    EXPECT_EQ(data.held_out(18, HeldOut::Validation), Range(0, 0));
    EXPECT_EQ(data.held_out(18, HeldOut::Test), Range(0, 5));
}

/// The last two of ten events are held out, and they are all that the second user has.
TEST_F(SplitByTime, RecentCountsAreOfThePart) {
    testing::write_dataset(folder_ / "dataset", {{0, 1, 0, 1, 0, 1, 0, 1}, {2, 2}}, 3);
    const Dataset data(folder_ / "dataset", testing::with_repeats("keep", true));
    ASSERT_EQ(data.training(1).size(), 0u);
    EXPECT_EQ(data.recent_counts(Part::Training)[2], 0);
    EXPECT_GT(data.recent_counts(Part::All)[2], 1);
    EXPECT_EQ(data.recent_counts(Part::Training)[0], data.recent_counts(Part::All)[0]);
}

}  // namespace
}  // namespace seqrec::trainer
