#include "core/recommend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/diversity.hpp"
#include "memory_file.hpp"
#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::MemoryFile;
using testing::read_file;
using testing::TempFolder;
using testing::TinyModel;

using Strings = std::vector<std::string>;
using Positions = std::vector<std::uint32_t>;

Answer ask(const Snapshot& snapshot, std::string_view user, const Strings& clicks, std::int64_t k,
           const Poll& poll = {}) {
    const std::vector<std::string_view> views(clicks.begin(), clicks.end());
    return recommend(snapshot, {user, views}, {k}, poll);
}

std::vector<std::int32_t> items_of(const Answer& answer) {
    std::vector<std::int32_t> items;
    for (const ScoredItem& item : answer.items) items.push_back(item.item);
    return items;
}

class Recommend : public ::testing::Test {
  protected:
    Snapshot written() {
        model_.write(path_);
        return Snapshot::open(path_);
    }
    Strings item_ids(std::initializer_list<std::int32_t> items) const {
        Strings ids;
        for (const std::int32_t item : items) ids.push_back(model_.item_id(item));
        return ids;
    }

    /// The answer by the definition: every cosine, sorted.
    std::vector<ScoredItem> by_definition(const Snapshot& snapshot, std::vector<std::int32_t> clicks,
                                          std::int32_t user, std::size_t k) const {
        std::vector<float> vector(static_cast<std::size_t>(model_.dim));
        snapshot.encoder().encode({clicks, user}, vector);
        std::vector<ScoredItem> all;
        for (std::int32_t i = 0; i < model_.items(); ++i) {
            const auto item = model_.item_embedding(i);
            const double dot = std::inner_product(item.begin(), item.end(), vector.begin(), 0.0);
            const double length = std::sqrt(std::inner_product(item.begin(), item.end(), item.begin(), 0.0));
            if (std::count(clicks.begin(), clicks.end(), i) == 0)
                all.push_back({i, static_cast<float>(dot / length)});
        }
        std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.score > b.score; });
        all.resize(std::min(k, all.size()));
        return all;
    }

    void expect_same(const std::vector<ScoredItem>& actual, const std::vector<ScoredItem>& expected) {
        ASSERT_EQ(actual.size(), expected.size());
        for (std::size_t i = 0; i < actual.size(); ++i) {
            EXPECT_EQ(actual[i].item, expected[i].item) << i;
            EXPECT_NEAR(actual[i].score, expected[i].score, 1e-5) << i;
        }
    }

    TempFolder folder_;
    const std::string path_ = folder_ / "snapshot";
    TinyModel model_;
};

TEST_F(Recommend, ClicksOfAStranger) {
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, "nobody", item_ids({4, 7, 2}), 5);
    EXPECT_EQ(answer.source, Source::Clicks);
    EXPECT_FALSE(answer.user_known);
    EXPECT_TRUE(answer.unknown_clicks.empty());
    expect_same(answer.items, by_definition(snapshot, {4, 7, 2}, -1, 5));
}

TEST_F(Recommend, ClicksOfAKnownUser) {
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, model_.user_id(1), item_ids({4, 7}), 5);
    EXPECT_EQ(answer.source, Source::Clicks);
    EXPECT_TRUE(answer.user_known);
    expect_same(answer.items, by_definition(snapshot, {4, 7}, 1, 5));
}

TEST_F(Recommend, AKnownUserWithoutClicks) {
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, model_.user_id(2), {}, 5);
    EXPECT_EQ(answer.source, Source::User);
    EXPECT_TRUE(answer.user_known);
    expect_same(answer.items, by_definition(snapshot, {}, 2, 5));
}

TEST_F(Recommend, AKnownUserWithUnknownClicksOnly) {
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, model_.user_id(2), {"never", "heard"}, 5);
    EXPECT_EQ(answer.source, Source::User);
    EXPECT_EQ(answer.unknown_clicks, (Positions{0, 1}));
    expect_same(answer.items, by_definition(snapshot, {}, 2, 5));
}

TEST_F(Recommend, NeitherKnownIsPopular) {
    const Snapshot snapshot = written();
    double total = 0;
    for (std::int32_t i = 0; i < model_.items(); ++i) total += model_.popularity(i);
    for (const Strings& clicks : {Strings{}, Strings{"never"}}) {
        const Answer answer = ask(snapshot, "nobody", clicks, model_.items());
        EXPECT_EQ(answer.source, Source::Popular);
        EXPECT_FALSE(answer.user_known);
        ASSERT_EQ(static_cast<std::int64_t>(answer.items.size()), model_.items());
        for (std::size_t i = 0; i < answer.items.size(); ++i) {
            const ScoredItem& item = answer.items[i];
            EXPECT_FLOAT_EQ(item.score, static_cast<float>(model_.popularity(item.item) / total));
            EXPECT_LE(item.score, answer.items[i == 0 ? 0 : i - 1].score);
        }
    }
}

TEST_F(Recommend, AUserNeverTrainedIsKnownButGetsThePopular) {
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, model_.user_id(TinyModel::kUntrainedUser), {}, 3);
    EXPECT_EQ(answer.source, Source::Popular);
    EXPECT_TRUE(answer.user_known);
    EXPECT_EQ(items_of(answer), items_of(ask(snapshot, "nobody", {}, 3)));
    EXPECT_EQ(ask(snapshot, model_.user_id(TinyModel::kUntrainedUser), item_ids({1}), 3).source,
              Source::Clicks);
}

TEST_F(Recommend, NobodyIsNotTheUserWithAnEmptyId) {
    model_.user_ids[1] = "";
    const Snapshot snapshot = written();
    EXPECT_TRUE(ask(snapshot, "", {}, 3).user_known);
    EXPECT_FALSE(ask(snapshot, {}, {}, 3).user_known);
}

TEST_F(Recommend, ClickedItemsAreNeverReturned) {
    const Snapshot snapshot = written();
    for (std::int32_t item = 0; item < model_.items(); ++item) {
        const auto items = items_of(ask(snapshot, model_.user_id(0), item_ids({item, 0}), model_.items()));
        EXPECT_EQ(static_cast<std::int64_t>(items.size()), model_.items() - (item == 0 ? 1 : 2));
        EXPECT_EQ(std::count(items.begin(), items.end(), item), 0);
        EXPECT_EQ(std::count(items.begin(), items.end(), 0), 0);
    }
}

/// Also those that lie too far back for the encoder.
TEST_F(Recommend, ClicksBeforeMaxLenAreNotReturnedEither) {
    const Snapshot snapshot = written();
    Strings clicks;
    for (std::int32_t item = 0; item < model_.items() - 1; ++item) clicks.push_back(model_.item_id(item));
    ASSERT_GT(static_cast<int>(clicks.size()), snapshot.encoder().reach());
    const Answer answer = ask(snapshot, "nobody", clicks, 10);
    EXPECT_EQ(items_of(answer), std::vector<std::int32_t>{model_.items() - 1});
    clicks.push_back(model_.item_id(model_.items() - 1));
    EXPECT_TRUE(ask(snapshot, "nobody", clicks, 10).items.empty());
}

TEST_F(Recommend, TheLastOfRepeatedClicksCounts) {
    const Snapshot snapshot = written();
    const Answer repeated = ask(snapshot, "nobody", item_ids({3, 5, 3, 5, 5, 3}), 10);
    expect_same(repeated.items, by_definition(snapshot, {5, 3}, -1, 10));
    std::vector<float> one(static_cast<std::size_t>(model_.dim)), other = one;
    snapshot.encoder().encode({std::vector<std::int32_t>{5, 3}, -1}, one);
    snapshot.encoder().encode({std::vector<std::int32_t>{3, 5}, -1}, other);
    EXPECT_NE(one, other) << "the model can't tell the orders apart, so this test says nothing";
}

TEST_F(Recommend, UnknownClicksAreSkippedAndReportedByPosition) {
    const Snapshot snapshot = written();
    const Answer answer =
        ask(snapshot, "nobody", {"x", model_.item_id(4), "y", "x", model_.item_id(7), ""}, 5);
    EXPECT_EQ(answer.unknown_clicks, (Positions{0, 2, 3, 5}));
    EXPECT_EQ(answer.source, Source::Clicks);
    expect_same(answer.items, by_definition(snapshot, {4, 7}, -1, 5));
}

TEST_F(Recommend, KMayBeAnything) {
    const Snapshot snapshot = written();
    EXPECT_EQ(ask(snapshot, "nobody", item_ids({1}), 1).items.size(), 1u);
    EXPECT_EQ(static_cast<std::int64_t>(ask(snapshot, "nobody", item_ids({1}), INT64_MAX).items.size()),
              model_.items() - 1);
    EXPECT_TRUE(ask(snapshot, "nobody", item_ids({1}), 0).items.empty());
    EXPECT_TRUE(ask(snapshot, "nobody", {}, -1).items.empty());
}

TEST_F(Recommend, AnItemWithoutAVectorScoresZero) {
    model_.item_vectors[6].assign(static_cast<std::size_t>(model_.dim), 0);
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, "nobody", item_ids({1}), model_.items());
    const auto found =
        std::find_if(answer.items.begin(), answer.items.end(), [](auto& i) { return i.item == 6; });
    ASSERT_NE(found, answer.items.end());
    EXPECT_EQ(found->score, 0);
}

TEST_F(Recommend, ScoresStayInTheirRange) {
    // Every item points where the user does: cosines of 1, give or take rounding.
    for (std::int32_t i = 0; i < model_.items(); ++i)
        for (int j = 0; j < model_.dim; ++j)
            model_.item_vectors[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
                model_.user_vectors[1][static_cast<std::size_t>(j)] * (0.1f + 0.37f * static_cast<float>(i));
    const Snapshot snapshot = written();
    for (const ScoredItem& item : ask(snapshot, model_.user_id(1), {}, model_.items()).items) {
        EXPECT_LE(item.score, 1.000001f);
        EXPECT_GE(item.score, -1.000001f);
    }
}

TEST_F(Recommend, NoInteractionsAtAllMeansSharesOfZero) {
    model_.popularities.assign(model_.popularities.size(), 0);
    const Snapshot snapshot = written();
    const Answer answer = ask(snapshot, "nobody", {}, 3);
    EXPECT_EQ(items_of(answer), (std::vector<std::int32_t>{0, 1, 2}));
    EXPECT_EQ(answer.items[0].score, 0);
}

TEST_F(Recommend, PollsAndMayBeStopped) {
    const Snapshot snapshot = written();
    int polls = 0;
    ask(snapshot, "nobody", item_ids({1}), 3, [&] { ++polls; });
    EXPECT_GE(polls, 1);
    polls = 0;
    ask(snapshot, "nobody", Strings(20000, "x"), 3, [&] { ++polls; });
    EXPECT_GE(polls, 5);
    EXPECT_EQ(error_of([&] { ask(snapshot, "nobody", {}, 3, [] { throw Error("57014", "canceled"); }); }),
              "57014");
}

TEST_F(Recommend, ABatchAnswersAsSingleCallsDo) {
    const Snapshot snapshot = written();
    const Strings clicks = item_ids({3, 8, 3});
    const std::vector<std::string_view> views(clicks.begin(), clicks.end());
    std::vector<Asker> askers;
    for (int i = 0; i < 150; ++i) {
        const auto user = i % 7 < 5 ? std::string_view(model_.user_ids[static_cast<std::size_t>(i % 7)])
                                    : std::string_view();
        askers.push_back({user, Ids(views).first(static_cast<std::size_t>(i % 4))});
    }
    const Request request{5};
    const Poll poll;
    const std::vector<Answer> together = Recommender(snapshot, request, poll).answer(askers);
    ASSERT_EQ(together.size(), askers.size());
    for (std::size_t i = 0; i < askers.size(); ++i) {
        const Answer alone = recommend(snapshot, askers[i], request, poll);
        EXPECT_EQ(together[i].source, alone.source);
        expect_same(together[i].items, alone.items);
    }
}

/// To the bit: an answer must not depend on who else asked, and for how many.
TEST_F(Recommend, EachOfABatchMayWantANumberOfItsOwn) {
    const Snapshot snapshot = written();
    const Strings clicks = item_ids({3, 8, 3});
    const std::vector<std::string_view> views(clicks.begin(), clicks.end());
    std::vector<Asker> askers;
    for (int i = 0; i < 150; ++i) {
        askers.push_back({model_.user_ids[static_cast<std::size_t>(i % 5)],
                          Ids(views).first(static_cast<std::size_t>(i % 4))});
        askers.back().k = i % 6;  // 0: the request's
    }
    const Poll poll;
    for (const float diversity : {0.0f, 0.5f}) {
        Request request{4};
        request.diversity = diversity;
        const std::vector<Answer> together = Recommender(snapshot, request, poll).answer(askers);
        for (std::size_t i = 0; i < askers.size(); ++i) {
            Asker asker = askers[i];
            Request own = request;
            if (asker.k > 0) own.k = std::exchange(asker.k, 0);
            EXPECT_EQ(together[i].items.size(), static_cast<std::size_t>(own.k));
            expect_same(together[i].items, recommend(snapshot, asker, own, poll).items);
        }
    }
}

TEST_F(Recommend, EveryUserFromWhatTheUserHasSeen) {
    const Snapshot snapshot = written();
    const Request request{5};
    const Poll poll;
    const std::vector<Answer> all = Recommender(snapshot, request, poll).answer_users(0, model_.users());
    for (std::int32_t user = 0; user < model_.users(); ++user) {
        Strings seen;
        for (const std::int32_t item : model_.seen[static_cast<std::size_t>(user)])
            seen.push_back(model_.item_id(item));
        expect_same(all[static_cast<std::size_t>(user)].items,
                    ask(snapshot, model_.user_id(user), seen, 5).items);
    }
}

TEST_F(Recommend, FiltersComeBeforeTheBestAreChosen) {
    const Snapshot snapshot = written();
    const Poll poll;
    const Strings some = item_ids({2, 5, 11, 17});
    const std::vector<std::string_view> views(some.begin(), some.end());
    const auto full = by_definition(snapshot, {4}, -1, 100);
    const Strings clicks = item_ids({4});
    const std::vector<std::string_view> click(clicks.begin(), clicks.end());
    for (const bool exact : {false, true}) {
        Request request{3};
        request.exact = exact;
        request.exclude = views;
        for (const ScoredItem& item : recommend(snapshot, {{}, click}, request, poll).items)
            EXPECT_TRUE(item.item != 2 && item.item != 5 && item.item != 11 && item.item != 17);
        request.exclude = {};
        const Candidates candidates(snapshot.items(), std::span(views), poll);
        request.candidates = &candidates;
        const auto chosen = recommend(snapshot, {{}, click}, request, poll).items;
        ASSERT_EQ(chosen.size(), 3u);
        EXPECT_GE(chosen[0].score, chosen[2].score);
        request.candidates = nullptr;
        request.min_score = full[1].score - 1e-4f;
        EXPECT_EQ(recommend(snapshot, {{}, click}, request, poll).items.size(), 2u);
    }
}

void expect_identical(const std::vector<ScoredItem>& actual, const std::vector<ScoredItem>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        EXPECT_EQ(actual[i].item, expected[i].item) << i;
        EXPECT_EQ(actual[i].score, expected[i].score) << i;
    }
}

/// Of few items and of many, for one asker and for several, in float32 and in bytes: as a filter over all would.
TEST_F(Recommend, CandidatesAreTheOnlyAnswers) {
    const Snapshot snapshot = written();
    const Poll poll;
    const auto full = by_definition(snapshot, {4}, -1, 1000);
    for (const std::int32_t count : {0, 1, 2, 3, 17, model_.items()}) {
        Strings ids{"??"};
        std::set<std::int32_t> allowed;
        for (std::int32_t i = 0; i < count; ++i) allowed.insert(i * 7 % model_.items());
        for (const std::int32_t item : allowed) ids.push_back(model_.item_id(item));
        const std::vector<std::string_view> views(ids.begin(), ids.end());
        std::vector<ScoredItem> wanted;
        for (const ScoredItem& item : full)
            if (allowed.contains(item.item) && wanted.size() < 5) wanted.push_back(item);
        const Strings clicks = item_ids({4});
        const std::vector<std::string_view> click(clicks.begin(), clicks.end());
        const std::vector<Asker> askers(3, Asker{{}, click});
        const Candidates candidates(snapshot.items(), std::span(views), poll);
        for (const bool exact : {false, true}) {
            Request request{5};
            request.exact = exact;
            request.candidates = &candidates;
            const auto now = recommend(snapshot, askers[0], request, poll).items;
            ASSERT_EQ(now.size(), wanted.size());
            if (!exact) expect_same(now, wanted);  // exact answers are encoded in float32
            for (const Answer& answer : Recommender(snapshot, request, poll).answer(askers))
                expect_identical(answer.items, now);
        }
    }
}

/// Many items, so that not all are candidates of a diverse choice.
class DiverseAnswers : public Recommend {
  protected:
    DiverseAnswers() {
        std::mt19937 engine(5);
        std::normal_distribution<float> normal;
        for (int i = 20; i < 400; ++i) {
            model_.item_ids.push_back("item-" + std::to_string(i));
            model_.item_vectors.emplace_back();
            for (int d = 0; d < model_.dim; ++d) model_.item_vectors.back().push_back(normal(engine));
            model_.popularities.push_back(static_cast<float>(i * 7 % 401));
        }
        model_.lengthen_clicks();
    }

    /// What is chosen among the plain answer's items, which are best first.
    std::vector<ScoredItem> chosen_from(const Snapshot& snapshot, const Answer& plain, std::size_t k,
                                        float diversity) const {
        std::vector<float> directions;
        for (const ScoredItem& item : plain.items)
            for (const float x : item_vector(snapshot, item.item)) directions.push_back(x);
        const auto relevance = plain.source == Source::Popular ? relevance_by_place(plain.items.size())
                                                               : relevance_by_score(plain.items);
        std::vector<ScoredItem> items;
        for (const std::size_t at : choose_diverse({relevance, directions}, k, diversity))
            items.push_back(plain.items[at]);
        return items;
    }
};

TEST_F(DiverseAnswers, WithoutDiversityAreThePlainOnes) {
    const Snapshot snapshot = written();
    for (const auto& clicks : {item_ids({4, 7}), Strings{}}) {
        const std::vector<std::string_view> views(clicks.begin(), clicks.end());
        Request request{10};
        const Answer plain = recommend(snapshot, {"nobody", views}, request, {});
        request.diversity = 0;
        expect_identical(recommend(snapshot, {"nobody", views}, request, {}).items, plain.items);
        request.diversity = 1e-9f;  // too little to matter: the same by the other way
        expect_identical(recommend(snapshot, {"nobody", views}, request, {}).items, plain.items);
    }
}

TEST_F(DiverseAnswers, AreChosenAmongTheBest) {
    const Snapshot snapshot = written();
    const Strings some = item_ids({2, 5, 11, 17, 30, 31, 32, 33, 34}), clicks = item_ids({4, 7});
    const std::vector<std::string_view> views(some.begin(), some.end()), click(clicks.begin(), clicks.end());
    const Candidates candidates(snapshot.items(), std::span(views), {});
    for (const Ids clicked : {Ids(click), Ids()})
        for (const bool exact : {false, true})
            for (const int filter : {0, 1, 2, 3}) {
                Request request{12};
                request.exact = exact;
                if (filter == 1) request.exclude = views;
                if (filter == 2) request.candidates = &candidates;
                if (filter == 3) request.min_score = clicked.empty() ? 0.0045f : 0.4f;
                request.k = 60;
                const Answer plain = recommend(snapshot, {"nobody", clicked}, request, {});
                request.k = 12;
                request.diversity = 0.6f;
                const Answer diverse = recommend(snapshot, {"nobody", clicked}, request, {});
                expect_identical(diverse.items, chosen_from(snapshot, plain, 12, 0.6f));
                EXPECT_EQ(diverse.items.size(), std::min<std::size_t>(12, plain.items.size()));
                EXPECT_GE(diverse.items.size(), filter == 3 ? 1u : 7u);
                EXPECT_FALSE(std::ranges::is_sorted(diverse.items, better)) << "nothing was diversified";
            }
}

TEST_F(DiverseAnswers, OfABatchAreThoseOfSingleCalls) {
    const Snapshot snapshot = written();
    const Strings clicks = item_ids({3, 8, 3});
    const std::vector<std::string_view> views(clicks.begin(), clicks.end());
    std::vector<Asker> askers;
    for (int i = 0; i < 100; ++i)
        askers.push_back({i % 7 < 5 ? std::string_view(model_.user_ids[static_cast<std::size_t>(i % 7)]) : "",
                          Ids(views).first(static_cast<std::size_t>(i % 4))});
    Request request{5};
    request.diversity = 0.5f;
    const std::vector<Answer> together = Recommender(snapshot, request, {}).answer(askers);
    for (std::size_t i = 0; i < askers.size(); ++i)
        expect_identical(together[i].items, recommend(snapshot, askers[i], request, {}).items);
}

TEST_F(DiverseAnswers, KMayBeAnything) {
    const Snapshot snapshot = written();
    for (const std::int64_t k : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, INT64_MAX}) {
        Request request{k};
        request.diversity = 1;
        const auto items = items_of(recommend(snapshot, {"nobody", {}}, request, {}));
        EXPECT_EQ(std::ssize(items), std::clamp<std::int64_t>(k, 0, model_.items()));
        EXPECT_EQ(std::set<std::int32_t>(items.begin(), items.end()).size(), items.size());
    }
}

TEST_F(Recommend, SourcesHaveNames) {
    EXPECT_EQ(source_name(Source::Clicks), "clicks");
    EXPECT_EQ(source_name(Source::User), "user");
    EXPECT_EQ(source_name(Source::Popular), "popular");
}

/// A damaged file answers or throws Error XX001, and nothing else: a small fuzz test that always runs. Every
/// round damages a few bytes of the header, of the data, or of whole aligned words.
TEST_F(Recommend, DamagedFilesAnswerOrAreRefused) {
    model_.write(path_);
    const std::string whole = read_file(path_);
    std::uint64_t header = 0;
    std::memcpy(&header, whole.data(), sizeof header);
    const Strings clicks = item_ids({1, 5, 9});
    std::mt19937 engine(11);
    int refused = 0, answered = 0;
    for (int round = 0; round < 4000; ++round) {
        std::string bytes = whole;
        const std::size_t begin = round % 4 == 0 ? 0 : 8 + header,
                          end = round % 4 == 0 ? 8 + header : bytes.size();
        for (int change = 0; change < 1 + round % 7; ++change) {
            const std::size_t at = std::uniform_int_distribution<std::size_t>(begin, end - 8)(engine) / 8 * 8;
            if (round % 3 == 0) {
                const std::uint64_t word = std::uint64_t{engine()} << 32 | engine();
                std::memcpy(bytes.data() + at, &word, sizeof word);
            } else {
                bytes[at + engine() % 8] = static_cast<char>(engine());
            }
        }
        const MemoryFile file(bytes);
        const std::string code = error_of([&] {
            const Snapshot snapshot = Snapshot::open(file.path());
            for (std::int32_t i = 0; i < snapshot.items().size(); ++i)
                snapshot.items().find(model_.item_id(i % 20));
            ask(snapshot, model_.user_id(1), clicks, 10);
            ask(snapshot, model_.user_id(0), {}, 10);
            ask(snapshot, "nobody", {}, 10);
            Request request{5};
            const Poll poll;
            request.diversity = 0.5f;
            (void)recommend(snapshot, {"nobody", {}}, request, poll);
            request.diversity = 0;
            const Recommender recommender(snapshot, request, poll);
            recommender.answer_users(
                0, static_cast<std::int32_t>(std::min<std::int64_t>(5, snapshot.users().size())));
            recommender.similar(model_.item_id(3));
        });
        ASSERT_TRUE(code.empty() || code == sqlstate::kDataCorrupted) << code << " in round " << round;
        ++(code.empty() ? answered : refused);
    }
    EXPECT_GT(refused, 500);
    EXPECT_GT(answered, 500);
}

}  // namespace
}  // namespace seqrec
