#include "kinds/two_tower/tower_settings.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kinds/shared/choices.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kAllItems = 50000;  // up to so many each choice is held against all of them

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const nlohmann::json& earlier) { return earlier.is_null() ? 0.004 : 0.002; }

bool choose_all(const nlohmann::json& options, const Dataset& data) {
    const std::string candidates = options.at("candidates");
    return candidates == "all" || (candidates == "auto" && data.items() <= kAllItems);
}

}  // namespace

TowerSettings::TowerSettings(const nlohmann::json& options, const Dataset& data,
                             const nlohmann::json& earlier)
    : dim(options.at("dim")),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data, 100))),
      hidden(value_or(options, "hidden", 4 * dim)),
      content_hidden(options.at("content_hidden")),
      epochs(value_or(options, "epochs", choose_epochs(data, earlier))),
      batch(value_or(options, "batch", choose_batch(data))),
      negatives(value_or(options, "negatives", std::int64_t{options.at("loss") == "bce" ? 512 : 4096})),
      seed(options.at("seed")),
      threads(options.at("threads")),
      patience(options.at("patience")),
      dropout(value_or(options, "dropout", choose_dropout(data))),
      id_dropout(options.at("id_dropout")),
      feature_dropout(options.at("feature_dropout")),
      temperature(options.at("temperature")),
      learning_rate(value_or(options, "learning_rate", choose_learning_rate(earlier))),
      weight_decay(options.at("weight_decay")),
      max_seconds(value_or(options, "max_seconds", choose_seconds(data))),
      cool_down(value_or(options, "cool_down", earlier.is_null() ? 0.3 : 1.0)),
      cold_shift(value_or(options, "cold_shift",
                          earlier.is_null() ? kOpenShift : earlier.value("cold_shift", kOpenShift))),
      bce(options.at("loss") == "bce"),
      all_items(!bce && choose_all(options, data)),
      refit(options.at("holdout") == "refit"),
      bfloat16(choose_bfloat16(options.at("precision"))) {}

nlohmann::json TowerSettings::to_json() const {
    return {{"dim", dim},
            {"heads", heads},
            {"max_len", max_len},
            {"hidden", hidden},
            {"content_hidden", content_hidden},
            {"dropout", dropout},
            {"id_dropout", id_dropout},
            {"feature_dropout", feature_dropout},
            {"temperature", temperature},
            {"loss", bce ? "bce" : "softmax"},
            {"candidates", all_items ? "all" : "batch"},
            {"negatives", negatives},
            {"batch", batch},
            {"epochs", epochs},
            {"learning_rate", learning_rate},
            {"weight_decay", weight_decay},
            {"seed", seed},
            {"threads", threads},
            {"patience", patience},
            {"max_seconds", max_seconds},
            {"cool_down", cool_down},
            {"cold_shift", cold_shift == kOpenShift ? 0 : cold_shift},
            {"holdout", refit ? "refit" : "keep"},
            {"precision", bfloat16 ? "bfloat16" : "float32"}};
}

EpochSettings TowerSettings::course() const {
    return {.epochs = epochs,
            .max_len = max_len,
            .batch = batch,
            .patience = patience,
            .shards = shards_of(batch, threads),
            .user_dropout = feature_dropout,
            .learning_rate = learning_rate,
            .weight_decay = weight_decay,
            .average = average,
            .max_seconds = max_seconds,
            .cool_down = cool_down,
            .refit = refit,
            .options = to_json()};
}

}  // namespace seqrec::trainer
