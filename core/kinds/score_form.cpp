#include "core/kinds/score_form.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace seqrec {
namespace {

constexpr std::string_view kLinks[] = {"cosine", "dot", "sigmoid"};  // in the order of Link

[[noreturn]] void unknown(std::string_view json) {
    throw Error(sqlstate::kDataCorrupted, "unknown form of scores: " + std::string(json),
                "The model was trained by another version of seqrec; update the extension, or train again.");
}

Link parse_link(const std::string& word, std::string_view json) {
    for (std::size_t i = 0; i < std::size(kLinks); ++i)
        if (word == kLinks[i]) return static_cast<Link>(i);
    unknown(json);
}

}  // namespace

ScoreForm ScoreForm::parse(std::string_view text) try {
    const auto json = nlohmann::json::parse(text);
    for (const auto& [key, value] : json.items())
        if (key != "link" && key != "item_bias" && key != "user_offset") unknown(text);
    ScoreForm form{parse_link(json.at("link"), text), json.value("item_bias", false),
                   json.value("user_offset", false)};
    if (form.link == Link::Cosine && form.item_bias) unknown(text);  // a direction has no column of its own
    return form;
} catch (const nlohmann::json::exception&) {
    unknown(text);
}

std::string ScoreForm::to_json() const {
    return nlohmann::json{{"link", kLinks[static_cast<std::size_t>(link)]},
                          {"item_bias", item_bias},
                          {"user_offset", user_offset}}
        .dump();
}

float probability_of(float score) {
    return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(score))));
}

/// By bisection of what is said, so that no item is left out, or in, by a rounding.
float least_score_of(float probability) {
    if (!(probability > 0)) return -std::numeric_limits<float>::infinity();
    float below = -128, from = 128;  // where a float's probability is 0 and 1
    for (float middle = 0; below < middle && middle < from; middle = below + (from - below) / 2)
        (probability_of(middle) >= probability ? from : below) = middle;
    return from;
}

}  // namespace seqrec
