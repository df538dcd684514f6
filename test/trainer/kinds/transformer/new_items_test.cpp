// Rows of items that nobody has had, in networks whose known rows are an exact product of their content.
#include "kinds/transformer/new_items.hpp"

#include <gtest/gtest.h>

#include "featured_shop.hpp"
#include "kinds/shared/gradients.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr std::int64_t kNewItems = 60, kNewDim = 8, kNewWidth = 12;

struct Fitting {
    seqrec::testing::TempFolder folder;
    Tensor content, truth;  // [items, width]; the rows that content should give, [items, dim]
    Dataset data;
    Settings settings;
    Members measured;

    Fitting()
        : content(random(kNewItems, kNewWidth, 1)),
          truth(content.mm(random(kNewWidth, kNewDim, 2))),
          data(written(), options()),
          settings(testing::small_options({{"dim", kNewDim}, {"holdout", "keep"}, {"cold_shift", 0}}), data,
                   nullptr) {
        Random draws(3);
        Member member{Transformer(settings, kNewItems, draws, kNewWidth), at::zeros({data.users(), kNewDim})};
        member.network.item = truth.clone();
        member.own = truth.clone();
        for (const std::int32_t item : data.held_out_items()) {
            member.network.item[item] = random(1, kNewDim, 10 + item)[0];  // what a bad projection says
            member.own[item].zero_();
        }
        for (const Question& question : data.cold_questions(HeldOut::Validation))
            if (const std::int32_t asker = data.asker(question); asker >= 0)
                member.users[asker] =
                    100 * truth[data.sequence(question.user)[static_cast<std::size_t>(question.at)]];
        measured.push_back(member);
    }

    NewItems settle(bool trained) {
        Workers workers(2);
        ::testing::internal::CaptureStdout();
        NewItems decided;
        {
            Reporter reporter;
            Members served = measured;
            decided =
                settle_new_items({data, workers, reporter}, settings, content, {}, trained, measured, served);
        }
        ::testing::internal::GetCapturedStdout();
        return decided;
    }

    double distance(bool held_out) const {
        double most = 0;
        for (std::int32_t i = 0; i < kNewItems; ++i)
            if (data.is_held_out(i) == held_out)
                most = std::max(most, (measured[0].network.item[i] - truth[i]).abs().max().item<double>());
        return most;
    }

  private:
    static Tensor random(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
        at::manual_seed(static_cast<std::int64_t>(seed));
        return at::randn({rows, columns});
    }
    static DatasetOptions options() {
        DatasetOptions options = testing::with_repeats("keep");
        options.cold_share = 0.2;
        return options;
    }
    std::string written() const {
        testing::FeaturedData data{.sequences = testing::walks(1500, kNewItems, 10), .items = kNewItems};
        data.damage["item.vector"] = content;
        data.write(folder / "dataset");
        return folder / "dataset";
    }
};

TEST(NewItems, WithoutATrainedProjectionOneIsFitted) {
    Fitting trial;
    const NewItems decided = trial.settle(false);
    EXPECT_EQ(decided.config,
              (json{{"content_use", "fitted"}, {"cold_rows", "fitted"}, {"cold_shift", 0.0}}));
    EXPECT_EQ(decided.metrics, json::object()) << "there was nothing to compare with";
    EXPECT_LT(trial.distance(false), 1e-4) << "known rows stay";
    EXPECT_LT(trial.distance(true), 0.3) << "by a ridge, so not exactly";
}

TEST(NewItems, AFittedProjectionServesWhereItRanksBetter) {
    Fitting trial;
    const NewItems decided = trial.settle(true);
    EXPECT_EQ(decided.config.at("content_use"), "trained");
    EXPECT_EQ(decided.config.at("cold_rows"), "fitted");
    const json& compared = decided.metrics.at("cold_rows_ndcg@10");
    EXPECT_GT(compared.at("fitted"), compared.at("trained"));
    EXPECT_LT(trial.distance(false), 1e-4) << "known rows stay";
}

TEST(NewItems, ATrainedProjectionStaysWhereItRanksBetter) {
    Fitting trial;
    for (const std::int32_t item : trial.data.held_out_items())
        trial.measured[0].network.item[item] = trial.truth[item];
    trial.content = at::randn({kNewItems, kNewWidth});  // of which nothing can be learned
    const NewItems decided = trial.settle(true);
    EXPECT_EQ(decided.config.at("cold_rows"), "trained");
}

}  // namespace
}  // namespace seqrec::trainer
