// Choices of items that differ, held against the definition.
#include "core/diversity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "core/scan/dot_product.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using Places = std::vector<std::size_t>;

/// Rows of unit length and falling relevances.
struct Drawn {
    std::size_t count, dim;
    std::vector<float> relevance, rows;

    Drawn(std::size_t count, std::size_t dim, unsigned seed)
        : count(count), dim(dim), relevance(count), rows(count * dim) {
        std::mt19937 engine(seed);
        std::normal_distribution<float> normal;
        for (float& x : rows) x = normal(engine);
        for (std::size_t i = 0; i < count; ++i) {
            const auto row = std::span(rows).subspan(i * dim, dim);
            const float length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0f));
            for (float& x : row) x /= length;
        }
        for (float& x : relevance) x = std::abs(normal(engine));
        std::ranges::sort(relevance, std::greater<>());
    }

    DiverseCandidates candidates() const { return {relevance, rows}; }
    float cosine(std::size_t a, std::size_t b) const {
        float product = 0;
        dot_products(&rows[a * dim], 1, dim, &rows[b * dim], &product);
        return product;
    }

    /// Every candidate against all chosen, before each choice.
    Places by_definition(std::size_t k, float diversity) const {
        Places chosen;
        while (chosen.size() < std::min(k, count)) {
            std::size_t best = count;
            float most = 0;
            for (std::size_t i = 0; i < count; ++i) {
                if (std::ranges::find(chosen, i) != chosen.end()) continue;
                float nearest = 0;
                for (const std::size_t other : chosen)
                    nearest = std::max(nearest, std::min(cosine(i, other), 1.0f));
                const float worth = relevance[i] * (1 - diversity), gain = worth - diversity * nearest;
                const bool first = chosen.empty() ? i == 0 : best == count || gain > most;
                if (first) best = i, most = gain;
            }
            chosen.push_back(best);
        }
        return chosen;
    }
};

Places first_places(std::size_t count) {
    Places places(count);
    std::iota(places.begin(), places.end(), std::size_t{0});
    return places;
}

TEST(Diversity, ChoosesAsTheDefinitionDoes) {
    unsigned seed = 0;
    bool differs = false;
    for (const std::size_t count : {1, 2, 7, 50, 83})
        for (const std::size_t dim : {1, 3, 8, 33, 128})
            for (const float diversity : {0.05f, 0.3f, 0.5f, 0.9f, 1.0f}) {
                const Drawn drawn(count, dim, ++seed);
                const std::size_t k = 1 + seed % count;
                const Places chosen = choose_diverse(drawn.candidates(), k, diversity);
                EXPECT_EQ(chosen, drawn.by_definition(k, diversity))
                    << count << " " << dim << " " << diversity;
                differs |= chosen != first_places(k);
            }
    EXPECT_TRUE(differs);
}

TEST(Diversity, OfNothingIsTheOrderGiven) {
    EXPECT_EQ(choose_diverse(Drawn(60, 16, 1).candidates(), 10, 0), first_places(10));
}

TEST(Diversity, BeginsWithTheBestAndTakesTheUnlike) {
    //            best,  like it, across, against it, like the third
    const float rows[] = {1, 0, 0.8f, 0.6f, 0, 1, -1, 0, 0.6f, 0.8f};
    const float relevance[] = {1, 0.9f, 0.5f, 0.4f, 0};
    EXPECT_EQ(choose_diverse({relevance, rows}, 5, 0.05f), (Places{0, 1, 2, 3, 4}));
    EXPECT_EQ(choose_diverse({relevance, rows}, 3, 0.5f), (Places{0, 2, 3}));
    EXPECT_EQ(choose_diverse({relevance, rows}, 2, 1), (Places{0, 2}))
        << "to be opposite is not more than to be across";
}

TEST(Diversity, OfEqualsTheFirstIsChosen) {
    const std::vector<float> rows(24, 0.5f), relevance(6, 1);
    EXPECT_EQ(choose_diverse({relevance, rows}, 6, 0.7f), first_places(6));
    EXPECT_EQ(choose_diverse({relevance, rows}, 6, 1), first_places(6));
}

TEST(Diversity, GivesNoMoreThanThereIs) {
    const Drawn drawn(4, 3, 2);
    const Places chosen = choose_diverse(drawn.candidates(), 100, 0.5f);
    EXPECT_EQ(std::set<std::size_t>(chosen.begin(), chosen.end()).size(), 4u);
    EXPECT_TRUE(choose_diverse(drawn.candidates(), 0, 0.5f).empty());
    EXPECT_TRUE(choose_diverse({}, 5, 0.5f).empty());
}

/// Rows of a damaged model may be anything: no item is chosen twice.
TEST(Diversity, ChoosesEachOnceWhateverRowsHold) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::nanf("");
    for (const float value : {kInfinity, -kInfinity, kNan, std::numeric_limits<float>::max()}) {
        Drawn drawn(30, 4, 3);
        for (std::size_t i = 0; i < drawn.rows.size(); i += 3) drawn.rows[i] = value;
        for (const float diversity : {0.5f, 1.0f}) {
            const Places chosen = choose_diverse(drawn.candidates(), 30, diversity);
            EXPECT_EQ(std::set<std::size_t>(chosen.begin(), chosen.end()).size(), 30u);
        }
    }
}

TEST(Diversity, RelevanceIsFromTheBestToTheLast) {
    const ScoredItem items[] = {{4, 3}, {1, 2}, {2, 2}, {9, -1}};
    EXPECT_EQ(relevance_by_score(items), (std::vector<float>{1, 0.75f, 0.75f, 0}));
    const ScoredItem same[] = {{4, 3}, {1, 3}};
    EXPECT_EQ(relevance_by_score(same), (std::vector<float>{1, 1}));
    EXPECT_TRUE(relevance_by_score({}).empty());
    const ScoredItem wild[] = {
        {0, std::numeric_limits<float>::infinity()}, {1, 0}, {2, -std::numeric_limits<float>::infinity()}};
    EXPECT_EQ(relevance_by_score(wild), (std::vector<float>{1, 0.5f, 0}));
    EXPECT_EQ(relevance_by_place(5), (std::vector<float>{1, 0.75f, 0.5f, 0.25f, 0}));
    EXPECT_EQ(relevance_by_place(1), std::vector<float>{1});
    EXPECT_TRUE(relevance_by_place(0).empty());
}

TEST(Diversity, LooksAtFiveTimesAsManyAndAtLeastFifty) {
    EXPECT_EQ(candidates_of_diverse(1, 1000), 50);
    EXPECT_EQ(candidates_of_diverse(10, 1000), 50);
    EXPECT_EQ(candidates_of_diverse(11, 1000), 55);
    EXPECT_EQ(candidates_of_diverse(300, 1000), 1000);
    EXPECT_EQ(candidates_of_diverse(1, 7), 7);
    EXPECT_EQ(candidates_of_diverse(INT64_MAX, 1000), 1000);
    EXPECT_EQ(candidates_of_diverse(5, 0), 0);
}

TEST(Diversity, MayBeStopped) {
    const Drawn drawn(20, 3, 4);
    int polls = 0;
    const auto stop = [&] {
        if (++polls == 5) throw Error("57014", "canceled");
    };
    EXPECT_EQ(testing::error_of([&] { choose_diverse(drawn.candidates(), 10, 0.5f, stop); }), "57014");
}

}  // namespace
}  // namespace seqrec
