#include "kinds/transformer/transformer_settings.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/kinds/transformer.hpp"
#include "kinds/shared/choices.hpp"
#include "torch.hpp"

namespace seqrec::trainer {
namespace {

bool serves_one_of(const nlohmann::json& options) { return options.at("serving") == "fast"; }

bool is_short(const Dataset& data) { return length_share(data) < 0.5; }

/// Of long histories four learn more than two, and cost nearly three times as much to ask.
std::int64_t choose_layers(const nlohmann::json& options, const Dataset& data) {
    return value_or(options, "layers", std::int64_t{is_short(data) || serves_one_of(options) ? 2 : 4});
}

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const Dataset& data, const nlohmann::json& earlier) {
    return rounded((earlier.is_null() ? 1 : 0.5) * (0.004 + 0.004 * length_share(data)), 10000);
}

/// A vector of each user learns histories by heart (docs/ablations.md); an update goes on as its model was trained.
double choose_user_dropout(const nlohmann::json& earlier) {
    const auto found = earlier.find("user_dropout");
    if (found == earlier.end() || !found->is_number()) return 1;
    return std::clamp(found->get<double>(), 0.0, 1.0);
}

/// Networks err differently, and their mean errs less: three of short histories, two of long ones. Where rows are many,
/// one costs enough. Where one network is to answer they are worth their time if they can teach it.
std::int64_t choose_members(const nlohmann::json& options, const Dataset& data) {
    const bool can_teach = is_short(data) && choose_layers(options, data) <= 2;
    if (data.users() + data.items() > 200000 || (serves_one_of(options) && !can_teach)) return 1;
    return is_short(data) ? 3 : 2;
}

/// Past 50,000 items ranking each label among all of them costs more than it teaches. An update does as the training did that
/// it starts from, which had the time to find out.
std::int64_t choose_sample(const Dataset& data, const nlohmann::json& earlier) {
    const std::int64_t own = data.items() > 50000 ? 4096 : 0;
    return earlier.is_null() ? own : std::max(own, number_of(earlier, "sampled_items", own));
}

/// One network that learned from several of two layers ranks as they do and costs a part; on long histories it ranks worse
/// (docs/ablations.md). Who says how many members there are is served by them; an update goes on with what there is.
std::int64_t choose_students(const nlohmann::json& options, const nlohmann::json& earlier,
                             std::int64_t layers, std::int64_t members, std::int64_t sampled) {
    const bool open = value_or(options, "members", nlohmann::json()).is_null() && earlier.is_null();
    return open && layers <= 2 && members > 1 && sampled == 0 ? 1 : 0;
}

/// A GPU where libtorch finds one, unless told otherwise.
std::string choose_device(const std::string& device) {
    const bool can = at::hasCUDA();
    if (device == "cuda" && !can)
        throw Error(
            sqlstate::kFeatureNotSupported, "libtorch finds no GPU here",
            "Leave device at auto, or build the trainer against a libtorch with CUDA (LIBTORCH=...).");
    return can && device != "cpu" ? "cuda" : "cpu";
}

}  // namespace

Settings::Settings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier)
    : members(value_or(options, "members", choose_members(options, data))),
      dim(options.at("dim")),
      layers(choose_layers(options, data)),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data, 200))),
      epochs(value_or(options, "epochs", choose_epochs(data, earlier))),
      batch_tokens(value_or(options, "batch_tokens", choose_batch(data))),
      sampled_items(value_or(options, "sampled_items", choose_sample(data, earlier))),
      students(
          value_or(options, "students", choose_students(options, earlier, layers, members, sampled_items))),
      seed(options.at("seed")),
      threads(options.at("threads")),
      patience(options.at("patience")),
      dropout(value_or(options, "dropout", choose_dropout(data))),
      user_dropout(value_or(options, "user_dropout", choose_user_dropout(earlier))),
      temperature(options.at("temperature")),
      learning_rate(value_or(options, "learning_rate", choose_learning_rate(data, earlier))),
      weight_decay(options.at("weight_decay")),
      max_seconds(value_or(options, "max_seconds", choose_seconds(data))),
      cool_down(value_or(options, "cool_down", earlier.is_null() ? 0.3 : 1.0)),
      id_dropout(value_or(options, "id_dropout", 0.1)),
      cold_shift(value_or(options, "cold_shift",
                          earlier.is_null() ? kOpenShift : earlier.value("cold_shift", kOpenShift))),
      refit(options.at("holdout") == "refit"),
      bfloat16(choose_bfloat16(options.at("precision"))),
      serves_one(serves_one_of(options)),
      content_use(options.at("content_use")),
      context_use(options.at("context_use")),
      exclude_events(value_or(options, "exclude_events", nlohmann::json::array())),
      distill(value_or(options, "distill", -1.0)),
      keep_items(value_or(options, "keep_items", false)),
      device(choose_device(options.at("device"))) {
    if (device == "cuda") bfloat16 = false;
    check_students(students, members, sampled_items, !earlier.is_null());
}

nlohmann::json Settings::to_json() const {
    return {{"members", members},
            {"students", students},
            {"serving", serves_one ? "fast" : "best"},
            {"dim", dim},
            {"layers", layers},
            {"heads", heads},
            {"max_len", max_len},
            {"dropout", dropout},
            {"user_dropout", user_dropout},
            {"temperature", temperature},
            {"epochs", epochs},
            {"batch_tokens", batch_tokens},
            {"sampled_items", sampled_items},
            {"learning_rate", learning_rate},
            {"id_dropout", id_dropout},
            {"content_use", content_use},
            {"context_use", context_use == "auto" ? "none" : context_use},
            {"exclude_events", exclude_events},
            {"distill", std::max(distill, 0.0)},
            {"keep_items", keep_items},
            {"cold_shift", cold_shift == kOpenShift ? 0 : cold_shift},
            {"weight_decay", weight_decay},
            {"seed", seed},
            {"threads", threads},
            {"patience", patience},
            {"max_seconds", max_seconds},
            {"cool_down", cool_down},
            {"holdout", refit ? "refit" : "keep"},
            {"device", device},
            {"precision", bfloat16 ? "bfloat16" : "float32"}};
}

/// What the course of the training depends on: where users have vectors two more validations follow.
EpochSettings Settings::course() const {
    return {.epochs = epochs,
            .max_len = max_len,
            .batch = batch_tokens,
            .patience = patience,
            .shards = device == "cpu" ? shards_of(batch_tokens, threads) : 1,
            .user_dropout = user_dropout,
            .learning_rate = learning_rate,
            .weight_decay = weight_decay,
            .average = average,
            .max_seconds = max_seconds,
            .cool_down = cool_down,
            .refit = refit,
            .options = to_json(),
            .validations_to_come = has_users() ? 3.0 : 1.0};
}

}  // namespace seqrec::trainer
