// One training, step by step.
#include "kinds/transformer/training.hpp"

#include "core/options.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

/// Item 3 is only ever held out.
TEST(Training, FinalFitCorrectsByTheSharesOfWhatItIsTrainedOn) {
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
    Checkpoint checkpoint("", "");
    Member start{Transformer(settings, data.items(), random), at::zeros({data.users(), settings.dim})};
    ::testing::internal::CaptureStdout();
    Training training(data, settings, {}, std::move(start), random, {}, workers, reporter, checkpoint);
    training.run();
    EXPECT_EQ(training.label_share(), (std::vector<float>{0.5F, 0.5F, 0, 0}));
    training.fit_all();
    EXPECT_EQ(training.label_share(), (std::vector<float>{0.25F, 0.25F, 0.25F, 0.25F}));
    ::testing::internal::GetCapturedStdout();
}

}  // namespace
}  // namespace seqrec::trainer
