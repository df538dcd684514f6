// What every kind of model must be, whichever there are: the same in the trainer and in core/, and served
// right.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "core/diversity.hpp"
#include "core/explain.hpp"
#include "kinds/trainer_kind.hpp"
#include "shop.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

constexpr std::int64_t kItems = 120, kUsers = 150;

std::string item_id(std::int64_t item) { return "item-" + std::to_string(item); }
std::string user_id(std::int64_t user) { return "user-" + std::to_string(user); }

testing::Names names() {
    testing::Names names;
    for (std::int64_t item = 0; item < kItems; ++item) names.items.push_back(item_id(item));
    for (std::int64_t user = 0; user < kUsers; ++user) names.users.push_back(user_id(user));
    return names;
}

/// A small training: those of the wishes that are options of the kind.
nlohmann::json small_options(std::string_view kind, bool index) {
    const nlohmann::json wishes = {{"dim", 16},    {"epochs", 3}, {"max_len", 50},
                                   {"members", 2}, {"seed", 3},   {"threads", 2}};
    nlohmann::json options = {{"index", index ? "ivf" : "none"}};
    for (const OptionSpec& spec : option_specs(kind))
        if (const auto found = wishes.find(std::string(spec.name)); found != wishes.end())
            options[spec.name] = *found;
    return options;
}

/// A small model of a kind, trained and made into a snapshot.
struct Served {
    TempFolder folder;
    std::string error;  ///< why it was not trained, else ""
    std::optional<SafetensorsFile> model;
    std::optional<Snapshot> snapshot;

    Served(const std::string& kind, bool index) {
        testing::write_dataset(folder / "dataset", testing::walks(kUsers, kItems, 60), kItems);
        const auto outcome =
            testing::run_job(folder, small_options(kind, index), false, kind, SEQREC_TRAINER_FIXTURE);
        if (outcome.status != 0) {
            error = outcome.last("error").dump();
            return;
        }
        model.emplace(SafetensorsFile::open(folder / "model"));
        testing::write_snapshot(*model, names(), folder / "snapshot");
        snapshot.emplace(Snapshot::open(folder / "snapshot"));
    }
};

/// One trained model of each kind, with and without an index: all tests look at the same one, and change nothing.
class EveryKind : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
  protected:
    void SetUp() override {
        const auto& [kind, index] = GetParam();
        const Served& served = all_.try_emplace(GetParam(), kind, index).first->second;
        ASSERT_EQ(served.error, "");
        model_ = &*served.model;
        snapshot_ = &*served.snapshot;
    }
    static void TearDownTestSuite() { all_.clear(); }

    std::vector<std::int32_t> random_clicks(std::size_t most) {
        std::vector<std::int32_t> clicks(random_.below(most + 1));
        for (std::int32_t& click : clicks) click = static_cast<std::int32_t>(random_.below(kItems));
        return clicks;
    }
    std::int32_t random_user() {
        return random_.below(2) == 0 ? -1
                                     : static_cast<std::int32_t>(random_.below(
                                           static_cast<std::uint64_t>(snapshot_->users().size())));
    }

    /// Who asks, with the ids that views refer to.
    struct Asking {
        std::vector<std::string> ids;
        std::vector<std::string_view> views;
        std::string user;
        Asker asker() const { return {user.empty() ? std::string_view() : std::string_view(user), views}; }
    };
    Asking random_asking(std::size_t most) {
        Asking asking;
        for (const std::int32_t click : random_clicks(most)) asking.ids.push_back(item_id(click));
        asking.views.assign(asking.ids.begin(), asking.ids.end());
        if (const std::int32_t user = random_user(); user >= 0) asking.user = user_id(user);
        return asking;
    }

    /// The answer by the definition: every item's score, sorted.
    std::vector<ScoredItem> by_definition(const Query& query, const std::vector<std::int32_t>& without,
                                          std::size_t k) const {
        std::vector<ScoredItem> all;
        for (std::int32_t i = 0; i < kItems; ++i)
            if (std::ranges::find(without, i) == without.end())
                all.push_back({i, score_of(*snapshot_, query, i)});
        std::ranges::sort(all, better);
        all.resize(std::min(k, all.size()));
        return all;
    }

    const SafetensorsFile* model_ = nullptr;
    const Snapshot* snapshot_ = nullptr;
    Random random_{5};

  private:
    static inline std::map<ParamType, Served> all_;
};

void expect_equal(const std::vector<ScoredItem>& ours, const std::vector<ScoredItem>& wanted) {
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_EQ(ours[i].item, wanted[i].item) << i;
        EXPECT_EQ(ours[i].score, wanted[i].score) << i;
    }
}

TEST_P(EveryKind, EncodesAsItsTrainerDoes) {
    const auto encoder = kind_of(*model_).open(*model_);
    const auto weights = read_weights(*model_);
    double cosines = 0;
    for (int i = 0; i < 100; ++i) {
        const std::vector<std::int32_t> clicks = i < 4 ? std::vector<std::int32_t>() : random_clicks(90);
        const std::int32_t user = random_user();
        std::vector<float> exact(static_cast<std::size_t>(encoder->dim())), fast(exact);
        encoder->encode({clicks, user}, exact, Precision::Exact);
        encoder->encode({clicks, user}, fast, Precision::Fast);
        const at::Tensor result = weights->encode({clicks}, {user});
        ASSERT_EQ(result.numel(), encoder->dim());
        for (std::size_t d = 0; d < exact.size(); ++d)
            EXPECT_NEAR(exact[d], result.data_ptr<float>()[d], 1e-4f);
        const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
            return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
        };
        const double lengths = std::sqrt(dot(exact, exact) * dot(fast, fast));
        cosines += lengths > 0 ? dot(exact, fast) / lengths : 1;
    }
    EXPECT_GT(cosines / 100, 0.9999);
}

TEST_P(EveryKind, ItsFilesSayWhatItIs) {
    const Kind& kind = find_kind(std::get<0>(GetParam()));
    EXPECT_EQ(model_->meta("kind"), kind.name);
    EXPECT_EQ(ScoreForm::parse(model_->meta("score")), kind.form);
    EXPECT_EQ(snapshot_->form(), kind.form);
    snapshot_->verify();
    EXPECT_EQ(snapshot_->items().size(), kItems);
    for (const auto& [name, tensor] : model_->tensors()) {
        if (!testing::is_weight(name)) continue;
        const auto kept = snapshot_->file().tensor(name).bytes;
        EXPECT_TRUE(std::ranges::equal(kept, tensor.bytes)) << name;
    }
    for (const float unit : snapshot_->rows().unit) EXPECT_GT(unit, 0);
}

TEST_P(EveryKind, TheBestAreThoseOfAllItemsScored) {
    for (int i = 0; i < 60; ++i) {
        const Asking asking = random_asking(8);
        Request request{10};
        request.exclude_seen = false;
        request.probes = 1000;  // all lists
        const Query query = asker_query(*snapshot_, asking.asker(), false, {});
        const Answer answer = recommend(*snapshot_, asking.asker(), request, {});
        expect_equal(answer.items, by_definition(query, {}, 10));
        request.exact = true;
        expect_equal(recommend(*snapshot_, asking.asker(), request, {}).items,
                     by_definition(asker_query(*snapshot_, asking.asker(), true, {}), {}, 10));
    }
}

TEST_P(EveryKind, FiltersAndBatchesAgree) {
    std::vector<std::string> ids;
    for (int i = 0; i < 30; ++i) ids.push_back(item_id(4 * i));
    const std::vector<std::string_view> named(ids.begin(), ids.end());
    const Candidates candidates(snapshot_->items(), named, {});
    for (int i = 0; i < 30; ++i) {
        const Asking asking = random_asking(8);
        const Query query = asker_query(*snapshot_, asking.asker(), false, {});
        Request request{5};
        request.exclude_seen = false;
        request.candidates = &candidates;
        std::vector<std::int32_t> others;
        for (std::int32_t item = 0; item < kItems; ++item)
            if (item % 4 != 0) others.push_back(item);
        const auto wanted = by_definition(query, others, 5);
        expect_equal(recommend(*snapshot_, asking.asker(), request, {}).items, wanted);
        request.min_score = wanted[2].score;
        const auto good = recommend(*snapshot_, asking.asker(), request, {}).items;
        EXPECT_GE(good.size(), 3U);
        for (const ScoredItem& item : good) EXPECT_GE(item.score, wanted[2].score);
        const std::vector<Asker> askers(3, asking.asker());
        for (const Answer& answer : Recommender(*snapshot_, request, {}).answer(askers))
            expect_equal(answer.items, good);
    }
}

/// A diverse answer is chosen among what would be answered to as many as its candidates, by directions without a bias.
TEST_P(EveryKind, DiverseAnswersAreChosenAmongTheBest) {
    const auto dim = static_cast<std::size_t>(snapshot_->dim());
    const Rows& rows = snapshot_->directions();
    for (int i = 0; i < 30; ++i) {
        const Asking asking = random_asking(8);
        Request request{candidates_of_diverse(6, kItems)};
        const Answer plain = recommend(*snapshot_, asking.asker(), request, {});
        std::vector<float> directions;
        for (const ScoredItem& item : plain.items) {
            const auto at = static_cast<std::size_t>(item.item);
            for (const float x : rows.matrix.subspan(at * dim, dim)) directions.push_back(x * rows.unit[at]);
            if (snapshot_->form().item_bias) directions.back() = 0;
        }
        const auto relevance = plain.source == Source::Popular ? relevance_by_place(plain.items.size())
                                                               : relevance_by_score(plain.items);
        std::vector<ScoredItem> wanted;
        for (const std::size_t at : choose_diverse({relevance, directions}, 6, 0.5f))
            wanted.push_back(plain.items[at]);
        request.k = 6;
        request.diversity = 0.5f;
        ASSERT_EQ(wanted.size(), 6U);
        expect_equal(recommend(*snapshot_, asking.asker(), request, {}).items, wanted);
        for (const Answer& answer :
             Recommender(*snapshot_, request, {}).answer(std::vector<Asker>(2, asking.asker())))
            expect_equal(answer.items, wanted);
    }
}

TEST_P(EveryKind, ExplainsByLeavingOut) {
    const Asking asking = [&] {
        Asking found = random_asking(6);
        while (found.ids.size() < 3) found = random_asking(6);
        return found;
    }();
    std::vector<std::int32_t> items(20);
    std::iota(items.begin(), items.end(), 0);
    const auto reasons = explain(*snapshot_, asking.asker(), items, true, {});
    const Query whole = asker_query(*snapshot_, asking.asker(), true, {});
    for (std::size_t i = 0; i < items.size(); ++i) {
        float most = -1e30f;
        const auto weigh = [&](const Asker& asker) {
            most =
                std::max(most, own_score(*snapshot_, whole, items[i]) -
                                   own_score(*snapshot_, asker_query(*snapshot_, asker, true, {}), items[i]));
        };
        for (const std::string& left_out : asking.ids) {
            std::vector<std::string_view> rest;
            for (const std::string& id : asking.ids)
                if (id != left_out) rest.push_back(id);
            weigh({asking.asker().user, rest});
        }
        if (!asking.user.empty() && reasons[i].source == Source::User) weigh({{}, asking.views});
        EXPECT_NEAR(reasons[i].contribution, most, 1e-5f);
    }
}

TEST_P(EveryKind, SimilarItemsAreNearestByDirection) {
    Request request{5};
    request.probes = 1000;
    const Poll poll;
    const Recommender recommender(*snapshot_, request, poll);
    const std::size_t columns =
        static_cast<std::size_t>(snapshot_->dim()) - (snapshot_->form().item_bias ? 1 : 0);
    const auto cosine = [&](std::int32_t a, std::int32_t b) {
        const auto x = item_vector(*snapshot_, a), y = item_vector(*snapshot_, b);
        double product = 0, left = 0, right = 0;
        for (std::size_t d = 0; d < columns; ++d)
            product += x[d] * y[d], left += x[d] * x[d], right += y[d] * y[d];
        return product / std::sqrt(left * right);
    };
    for (std::int32_t item = 0; item < kItems; item += 7) {
        const auto found = recommender.similar(item_id(item));
        ASSERT_EQ(found.size(), 5U);
        std::vector<double> all;
        for (std::int32_t other = 0; other < kItems; ++other)
            if (other != item) all.push_back(cosine(item, other));
        std::ranges::sort(all, std::greater<>());
        for (std::size_t i = 0; i < found.size(); ++i) {
            EXPECT_NEAR(found[i].score, all[i], 1e-5);
            EXPECT_NEAR(found[i].score, cosine(item, found[i].item), 1e-5);
        }
    }
}

std::vector<std::string> all_kinds() {
    std::vector<std::string> all;
    for (const Kind* kind : kinds()) all.emplace_back(kind->name);
    return all;
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind,
                         ::testing::Combine(::testing::ValuesIn(all_kinds()), ::testing::Bool()),
                         [](const auto& info) {
                             return std::get<0>(info.param) + (std::get<1>(info.param) ? "_indexed" : "");
                         });

TEST(Kinds, EachHasATrainer) {
    for (const Kind* kind : kinds()) EXPECT_EQ(trainer_kind(kind->name).kind, kind);
}

}  // namespace
}  // namespace seqrec::trainer
