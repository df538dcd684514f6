// What a network is trained with.
#include "kinds/transformer/transformer_learner.hpp"

#include "core/options.hpp"
#include "kinds/shared/epochs.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

/// Item 3 is only ever held out.
TEST(TransformerLearner, FinalFitCorrectsByTheSharesOfWhatItIsTrainedOn) {
    const TempFolder folder;
    const testing::Sequences sequences(8, {0, 1, 2, 3});
    testing::write_dataset(folder / "dataset", sequences, 4);
    const Dataset data(folder / "dataset");
    const Settings settings(
        resolve_options("transformer",
                        {{"dim", 8}, {"epochs", 2}, {"threads", 1}, {"members", 1}, {"sampled_items", 2}}),
        data, nullptr);
    Random random(1);
    Workers workers(1);
    Reporter reporter;
    Member start{Transformer(settings, data.items(), random), at::zeros({data.users(), settings.dim})};
    ::testing::internal::CaptureStdout();
    TransformerLearner learner(data, settings, {}, std::move(start), workers);
    const trainer::Run run{data, workers, reporter};
    Epochs epochs(run, settings.course(), learner, random);
    epochs.run();
    EXPECT_EQ(learner.label_share(), (std::vector<float>{0.5F, 0.5F, 0, 0}));
    epochs.fit_all();
    EXPECT_EQ(learner.label_share(), (std::vector<float>{0.25F, 0.25F, 0.25F, 0.25F}));
    ::testing::internal::GetCapturedStdout();
}

}  // namespace
}  // namespace seqrec::trainer
