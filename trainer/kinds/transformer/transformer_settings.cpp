#include "kinds/transformer/transformer_settings.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "kernels/step_kernels.hpp"
#include "torch.hpp"

namespace seqrec::trainer {
namespace {

/// Long enough for the whole training history of 98 users in 100, from 10 to 200.
std::int64_t choose_max_len(const Dataset& data) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t u = 0; u < data.users(); ++u)
        lengths.push_back(static_cast<std::int64_t>(data.sequence(u).size()));
    const auto at = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() * 98 / 100);
    std::nth_element(lengths.begin(), at, lengths.end());
    return std::clamp<std::int64_t>((*at + 9) / 10 * 10, 10, 200);
}

/// 0 for users with short histories (mean 10 or less), 1 for long ones (mean 60 or more), by the logarithm
/// between. Long histories have more to learn from and more to learn.
double length_share(const Dataset& data) {
    const double mean = static_cast<double>(data.interactions()) / static_cast<double>(data.users());
    return std::clamp(std::log(mean / 10) / std::log(6.0), 0.0, 1.0);
}

double rounded(double value, double digits) { return std::round(value * digits) / digits; }

double choose_dropout(const Dataset& data) { return rounded(0.4 - 0.2 * length_share(data), 100); }

std::int64_t choose_layers(const Dataset& data) { return length_share(data) < 0.5 ? 2 : 4; }

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const Dataset& data, const nlohmann::json& earlier) {
    return rounded((earlier.is_null() ? 1 : 0.5) * (0.004 + 0.004 * length_share(data)), 10000);
}

/// Nine and a half minutes up to half a million interactions, nineteen at one million, then in proportion.
double choose_seconds(const Dataset& data) {
    return 570 * std::max(1.0, static_cast<double>(data.interactions()) / 500000);
}

/// Sixty steps an epoch, each of 512 to 6,400 clicks: small data need many steps more than smooth ones.
std::int64_t choose_batch(const Dataset& data) {
    return std::clamp<std::int64_t>(data.interactions() / 60, 512, 6400);
}

/// Networks err differently, and their mean errs less: three of two layers, two of four. Where rows are many,
/// one costs enough.
std::int64_t choose_members(const Dataset& data) {
    if (data.users() + data.items() > 200000) return 1;
    return choose_layers(data) == 2 ? 3 : 2;
}

/// Past 50,000 items ranking each label among all of them costs more than it teaches.
std::int64_t choose_sample(const Dataset& data) { return data.items() > 50000 ? 4096 : 0; }

/// Validation ends a fresh training; one that starts from a trained model needs a fraction of what that took.
std::int64_t choose_epochs(const nlohmann::json& earlier) {
    if (earlier.is_null()) return 200;
    return std::max<std::int64_t>(4, earlier.value("trained_epochs", std::int64_t{20}) / 5);
}

/// bfloat16 where the CPU multiplies it faster, unless told otherwise.
bool choose_bfloat16(const std::string& precision) {
    const bool can = kernels::table().bfloat16 != nullptr;
    if (precision == "bfloat16" && !can)
        throw Error(sqlstate::kFeatureNotSupported, "this CPU has no bfloat16 products",
                    "Leave precision at auto; bfloat16 needs AVX512-BF16.");
    return can && precision != "float32";
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

template <typename T>
T value_or(const nlohmann::json& options, const char* name, T otherwise) {
    const auto found = options.find(name);
    return found == options.end() || found->is_null() ? otherwise : found->get<T>();
}

}  // namespace

Settings::Settings(const nlohmann::json& options, const Dataset& data, const nlohmann::json& earlier)
    : members(value_or(options, "members", choose_members(data))),
      dim(options.at("dim")),
      layers(value_or(options, "layers", choose_layers(data))),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data))),
      epochs(value_or(options, "epochs", choose_epochs(earlier))),
      batch_tokens(value_or(options, "batch_tokens", choose_batch(data))),
      sampled_items(value_or(options, "sampled_items", choose_sample(data))),
      seed(options.at("seed")),
      threads(options.at("threads")),
      patience(options.at("patience")),
      dropout(value_or(options, "dropout", choose_dropout(data))),
      user_dropout(options.at("user_dropout")),
      temperature(options.at("temperature")),
      learning_rate(value_or(options, "learning_rate", choose_learning_rate(data, earlier))),
      weight_decay(options.at("weight_decay")),
      max_seconds(value_or(options, "max_seconds", choose_seconds(data))),
      cool_down(value_or(options, "cool_down", earlier.is_null() ? 0.3 : 1.0)),
      id_dropout(value_or(options, "id_dropout", 0.1)),
      cold_shift(
          value_or(options, "cold_shift", earlier.is_null() ? -1.0 : earlier.value("cold_shift", -1.0))),
      refit(options.at("holdout") == "refit"),
      bfloat16(choose_bfloat16(options.at("precision"))),
      content_use(options.at("content_use")),
      device(choose_device(options.at("device"))) {
    if (device == "cuda") bfloat16 = false;
}

nlohmann::json Settings::to_json() const {
    return {{"members", members},
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
            {"cold_shift", std::max(cold_shift, 0.0)},
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

}  // namespace seqrec::trainer
