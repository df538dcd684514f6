#include "kinds/vae/vae_settings.hpp"

#include <algorithm>

#include "kinds/shared/choices.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::int64_t kAllItems =
    50000;  // beyond them ranking each label among all costs more than it teaches

std::int64_t choose_layers(const Dataset& data) { return length_share(data) < 0.5 ? 2 : 4; }

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const Dataset& data, const json& earlier) {
    return rounded((earlier.is_null() ? 1 : 0.5) * (0.004 + 0.004 * length_share(data)), 10000);
}

}  // namespace

VaeSettings::VaeSettings(const json& options, const Dataset& data, const json& earlier)
    : dim(options.at("dim")),
      latent(value_or(options, "latent", dim)),
      layers(value_or(options, "layers", choose_layers(data))),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data, 200))),
      next_items(value_or(options, "next_items", std::int64_t{options.at("loss") == "mse" ? 4 : 1})),
      epochs(value_or(options, "epochs", choose_epochs(data, earlier))),
      batch_tokens(value_or(options, "batch_tokens", choose_batch(data))),
      sampled_items(value_or(options, "sampled_items", std::int64_t{data.items() > kAllItems ? 4096 : 0})),
      seed(options.at("seed")),
      threads(options.at("threads")),
      patience(options.at("patience")),
      beta(value_or(options, "beta", options.at("loss") == "mse" ? 0.001 : 0.005)),
      anneal_share(options.at("anneal_share")),
      free_bits(value_or(options, "free_bits", 1.0)),
      dropout(value_or(options, "dropout", choose_dropout(data))),
      temperature(options.at("temperature")),
      learning_rate(value_or(options, "learning_rate", choose_learning_rate(data, earlier))),
      weight_decay(options.at("weight_decay")),
      max_seconds(value_or(options, "max_seconds", choose_seconds(data))),
      cool_down(value_or(options, "cool_down", earlier.is_null() ? 0.3 : 1.0)),
      attention(options.at("attention")),
      mse(options.at("loss") == "mse"),
      refit(options.at("holdout") == "refit"),
      bfloat16(choose_bfloat16(options.at("precision"))) {}

json VaeSettings::to_json() const {
    return {{"dim", dim},
            {"latent", latent},
            {"layers", layers},
            {"heads", heads},
            {"attention", attention},
            {"max_len", max_len},
            {"beta", beta},
            {"anneal_share", anneal_share},
            {"free_bits", free_bits},
            {"loss", mse ? "mse" : "softmax"},
            {"next_items", next_items},
            {"dropout", dropout},
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

EpochSettings VaeSettings::course() const {
    return {.epochs = epochs,
            .max_len = max_len,
            .batch = batch_tokens,
            .patience = patience,
            .shards = shards_of(batch_tokens, threads),
            .user_dropout = 1,  // nothing is kept of users
            .learning_rate = learning_rate,
            .weight_decay = weight_decay,
            .max_seconds = max_seconds,
            .cool_down = cool_down,
            .refit = refit,
            .options = to_json()};
}

double VaeSettings::beta_at(double share_done) const {
    return anneal_share > 0 ? beta * std::min(1.0, share_done / anneal_share) : beta;
}

}  // namespace seqrec::trainer
