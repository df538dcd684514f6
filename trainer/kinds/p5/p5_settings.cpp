#include "kinds/p5/p5_settings.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "kinds/shared/choices.hpp"

namespace seqrec::trainer {
namespace {

constexpr double kTuneShare = 0.1;           // of the learning rate, once there is something to lose
constexpr double kCooledByTuning = 2.0 / 3;  // of the cool-down: tuning is the rest of it
constexpr std::int64_t kPromptEpochs = 12;
constexpr double kLastChoices = 5;  // the time of the last validation, and of P5Learner::refine in such
constexpr std::pair<const char*, Stage> kNames[] = {
    {"pretrain", Stage::Pretrain}, {"prompt", Stage::Prompt}, {"tune", Stage::Tune}};

std::vector<Stage> stages_of(const nlohmann::json& options) {
    std::vector<Stage> stages;
    const auto& wanted = options.at("stages");
    for (const auto& [name, stage] : kNames)
        if (wanted.is_null() || std::ranges::find(wanted, nlohmann::json(name)) != wanted.end())
            stages.push_back(stage);
    return stages;
}

std::int64_t choose_layers(const Dataset& data) { return length_share(data) < 0.5 ? 2 : 4; }

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const Dataset& data, const nlohmann::json& earlier) {
    return rounded((earlier.is_null() ? 1 : 0.5) * (0.004 + 0.004 * length_share(data)), 10000);
}

/// Past 50,000 items ranking each label among all of them costs more than it teaches.
std::int64_t choose_sample(const Dataset& data) { return data.items() > 50000 ? 4096 : 0; }

}  // namespace

std::string name_of(Stage stage) { return kNames[static_cast<std::size_t>(stage)].first; }

P5Settings::P5Settings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier)
    : stages(stages_of(options)),
      dim(options.at("dim")),
      layers(value_or(options, "layers", choose_layers(data))),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data, 200))),
      epochs(value_or(options, "epochs", choose_epochs(data, earlier))),
      batch_tokens(value_or(options, "batch_tokens", choose_batch(data))),
      sampled_items(value_or(options, "sampled_items", choose_sample(data))),
      seed(options.at("seed")),
      threads(options.at("threads")),
      patience(options.at("patience")),
      dropout(value_or(options, "dropout", choose_dropout(data))),
      mask_share(options.at("mask_share")),
      user_dropout(options.at("user_dropout")),
      feature_dropout(options.at("feature_dropout")),
      temperature(options.at("temperature")),
      learning_rate(value_or(options, "learning_rate", choose_learning_rate(data, earlier))),
      weight_decay(options.at("weight_decay")),
      max_seconds(value_or(options, "max_seconds", choose_seconds(data))),
      cool_down(value_or(options, "cool_down", earlier.is_null() ? 0.3 : 1.0)),
      refit(options.at("holdout") == "refit"),
      bfloat16(choose_bfloat16(options.at("precision"))),
      starts_trained(!earlier.is_null()) {
    if (is_first(Stage::Prompt) && !starts_trained)
        throw Error(
            sqlstate::kInvalidParameter,
            "option \"stages\" begins with \"prompt\", but nothing is pretrained",
            "Add \"pretrain\", or name a pretrained model with init_from, or train everything at once: "
            "stages [\"tune\"].");
}

bool P5Settings::has(Stage stage) const { return std::ranges::find(stages, stage) != stages.end(); }

EpochSettings P5Settings::course(Stage stage) const {
    const bool careful = stage == Stage::Tune && (starts_trained || !is_first(stage));
    const bool goes_on = stage == Stage::Pretrain && has(Stage::Tune);
    return {
        .epochs = stage == Stage::Prompt ? std::min(epochs, kPromptEpochs) : epochs,
        .max_len = max_len,
        .batch = batch_tokens,
        .patience = patience,
        .shards = shards_of(batch_tokens, threads),
        .user_dropout = 0,  // users are needed for their features; their own tokens are dropped by themselves
        .learning_rate = learning_rate * (careful ? kTuneShare : 1),
        .weight_decay = weight_decay,
        .max_seconds = max_seconds,
        .cool_down = goes_on && cool_down < 1 ? kCooledByTuning * cool_down : cool_down,
        .refit = refit,
        .options = to_json(),
        .validations_to_come = stage != Stage::Pretrain && stages.back() == stage ? kLastChoices : 1.0};
}

nlohmann::json P5Settings::to_json() const {
    nlohmann::json names = nlohmann::json::array();
    for (const Stage stage : stages) names.push_back(name_of(stage));
    return {{"stages", names},
            {"dim", dim},
            {"layers", layers},
            {"heads", heads},
            {"max_len", max_len},
            {"dropout", dropout},
            {"mask_share", mask_share},
            {"user_dropout", user_dropout},
            {"feature_dropout", feature_dropout},
            {"temperature", temperature},
            {"epochs", epochs},
            {"batch_tokens", batch_tokens},
            {"sampled_items", sampled_items},
            {"learning_rate", learning_rate},
            {"weight_decay", weight_decay},
            {"seed", seed},
            {"threads", threads},
            {"patience", patience},
            {"max_seconds", max_seconds},
            {"cool_down", cool_down},
            {"holdout", refit ? "refit" : "keep"},
            {"precision", bfloat16 ? "bfloat16" : "float32"}};
}

}  // namespace seqrec::trainer
