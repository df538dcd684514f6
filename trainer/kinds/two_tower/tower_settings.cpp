#include "kinds/two_tower/tower_settings.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kAllItems = 50000;  // up to so many each choice is held against all of them

/// Long enough for the whole training history of 98 users in 100, from 10 to 100.
std::int64_t choose_max_len(const Dataset& data) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t u = 0; u < data.users(); ++u)
        lengths.push_back(static_cast<std::int64_t>(data.sequence(u).size()));
    const auto at = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() * 98 / 100);
    std::nth_element(lengths.begin(), at, lengths.end());
    return std::clamp<std::int64_t>((*at + 9) / 10 * 10, 10, 100);
}

/// 0 for users with short histories (mean 10 or less), 1 for long ones (mean 60 or more).
double length_share(const Dataset& data) {
    const double mean = static_cast<double>(data.interactions()) /
                        static_cast<double>(std::max<std::int64_t>(data.users(), 1));
    return std::clamp(std::log(std::max(mean, 1.0) / 10) / std::log(6.0), 0.0, 1.0);
}

double rounded(double value, double digits) { return std::round(value * digits) / digits; }

double choose_dropout(const Dataset& data) { return rounded(0.4 - 0.2 * length_share(data), 100); }

/// Half as much when weights are there already: more would undo what they have learned.
double choose_learning_rate(const nlohmann::json& earlier) { return earlier.is_null() ? 0.004 : 0.002; }

/// As the transformer's: nine and a half minutes up to half a million interactions, then in proportion.
double choose_seconds(const Dataset& data) {
    return 570 * std::max(1.0, static_cast<double>(data.interactions()) / 500000);
}

/// Sixty steps an epoch: small data need many steps more than smooth ones.
std::int64_t choose_batch(const Dataset& data) {
    return std::clamp<std::int64_t>(data.interactions() / 60, 512, 6400);
}

/// Validation ends a fresh training; one that starts from a trained model needs a fraction of what that took.
std::int64_t choose_epochs(const nlohmann::json& earlier) {
    if (earlier.is_null()) return 200;
    return std::max<std::int64_t>(4, earlier.value("trained_epochs", std::int64_t{20}) / 5);
}

bool choose_bfloat16(const std::string& precision) {
    const bool can = kernels::table().bfloat16 != nullptr;
    if (precision == "bfloat16" && !can)
        throw Error(sqlstate::kFeatureNotSupported, "this CPU has no bfloat16 products",
                    "Leave precision at auto; bfloat16 needs AVX512-BF16.");
    return can && precision != "float32";
}

bool choose_all(const nlohmann::json& options, const Dataset& data) {
    const std::string candidates = options.at("candidates");
    return candidates == "all" || (candidates == "auto" && data.items() <= kAllItems);
}

template <typename T>
T value_or(const nlohmann::json& options, const char* name, T otherwise) {
    const nlohmann::json& value = options.at(name);
    return value.is_null() ? otherwise : value.get<T>();
}

}  // namespace

TowerSettings::TowerSettings(const nlohmann::json& options, const Dataset& data,
                             const nlohmann::json& earlier)
    : dim(options.at("dim")),
      heads(options.at("heads")),
      max_len(value_or(options, "max_len", choose_max_len(data))),
      hidden(value_or(options, "hidden", 4 * dim)),
      content_hidden(options.at("content_hidden")),
      epochs(value_or(options, "epochs", choose_epochs(earlier))),
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
            {"holdout", refit ? "refit" : "keep"},
            {"precision", bfloat16 ? "bfloat16" : "float32"}};
}

}  // namespace seqrec::trainer
