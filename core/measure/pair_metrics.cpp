#include "core/measure/pair_metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace seqrec {
namespace {

using nlohmann::json;

void sort_by_probability(std::vector<ScoredPair>& pairs) {
    std::ranges::sort(pairs, {}, &ScoredPair::probability);
}

std::int64_t count_positives(const std::vector<ScoredPair>& pairs) {
    return std::ranges::count_if(pairs, &ScoredPair::positive);
}

json ratio(double part, double whole) { return whole > 0 ? json(part / whole) : json(); }

/// Of sorted pairs: twice the pairs of a positive and a negative that are in order, plus those that tie.
double auc_of(const std::vector<ScoredPair>& pairs, double positives) {
    double negatives_below = 0, twice_in_order = 0;
    for (std::size_t begin = 0, end; begin < pairs.size(); begin = end) {
        double tied_positives = 0;
        for (end = begin; end < pairs.size() && pairs[end].probability == pairs[begin].probability; ++end)
            tied_positives += pairs[end].positive;
        const double tied_negatives = static_cast<double>(end - begin) - tied_positives;
        twice_in_order += tied_positives * (2 * negatives_below + tied_negatives);
        negatives_below += tied_negatives;
    }
    return twice_in_order / (2 * positives * negatives_below);
}

double mean_log_loss(const std::vector<ScoredPair>& pairs) {
    double sum = 0;
    for (const auto& [probability, positive] : pairs) {
        const double p = std::clamp(static_cast<double>(probability), 1e-7, 1 - 1e-7);
        sum -= std::log(positive ? p : 1 - p);
    }
    return sum / static_cast<double>(pairs.size());
}

double mean_square(const std::vector<ScoredPair>& pairs) {
    double sum = 0;
    for (const auto& [probability, positive] : pairs) {
        const double off = static_cast<double>(probability) - positive;
        sum += off * off;
    }
    return sum / static_cast<double>(pairs.size());
}

struct Bin {
    double pairs = 0, probability = 0, positives = 0;
};
using Bins = std::array<Bin, kReliabilityBins>;

Bins bins_of(const std::vector<ScoredPair>& pairs) {
    Bins bins{};
    for (const auto& [probability, positive] : pairs) {
        const auto at = static_cast<std::size_t>(std::clamp(probability, 0.0f, 1.0f) * kReliabilityBins);
        Bin& bin = bins[std::min(at, kReliabilityBins - 1)];
        ++bin.pairs;
        bin.probability += static_cast<double>(probability);
        bin.positives += positive;
    }
    return bins;
}

double calibration_error(const Bins& bins, double pairs) {
    double sum = 0;
    for (const Bin& bin : bins) sum += std::abs(bin.probability - bin.positives);
    return sum / pairs;
}

json table_of(const Bins& bins) {
    json rows = json::array();
    for (std::size_t i = 0; i < bins.size(); ++i) {
        const Bin& bin = bins[i];
        if (bin.pairs == 0) continue;
        rows.push_back({{"from", static_cast<double>(i) / kReliabilityBins},
                        {"to", static_cast<double>(i + 1) / kReliabilityBins},
                        {"pairs", static_cast<std::int64_t>(bin.pairs)},
                        {"probability", bin.probability / bin.pairs},
                        {"positives", bin.positives / bin.pairs}});
    }
    return rows;
}

/// What calling pairs positive from a threshold on gives.
void add_decisions(json& metrics, const std::vector<ScoredPair>& pairs, double positives, float threshold) {
    double called = 0, right = 0;
    for (const ScoredPair& pair : pairs) {
        if (!(pair.probability >= threshold)) continue;
        ++called;
        right += pair.positive;
    }
    const auto all = static_cast<double>(pairs.size());
    metrics["accuracy"] = ratio(all - called - positives + 2 * right, all);
    metrics["precision"] = ratio(right, called);
    metrics["recall"] = ratio(right, positives);
    metrics["f1"] = ratio(2 * right, called + positives);
}

}  // namespace

float best_threshold(std::vector<ScoredPair> pairs) {
    sort_by_probability(pairs);
    const auto positives = static_cast<double>(count_positives(pairs));
    double called = 0, right = 0, best = 0;
    float threshold = 0.5f;
    for (std::size_t i = pairs.size(); i-- > 0;) {
        ++called;
        right += pairs[i].positive;
        if (i > 0 && pairs[i - 1].probability == pairs[i].probability) continue;
        if (const double f1 = 2 * right / (called + positives); f1 > best) {
            best = f1;
            threshold = pairs[i].probability;
        }
    }
    return threshold;
}

json pair_metrics(std::vector<ScoredPair> pairs, float threshold) {
    sort_by_probability(pairs);
    const auto all = static_cast<double>(pairs.size()),
               positives = static_cast<double>(count_positives(pairs));
    const bool both = positives > 0 && positives < all;
    const Bins bins = bins_of(pairs);
    json metrics = {{"auc", both ? json(auc_of(pairs, positives)) : json()},
                    {"log_loss", all > 0 ? json(mean_log_loss(pairs)) : json()},
                    {"brier", all > 0 ? json(mean_square(pairs)) : json()},
                    {"ece", all > 0 ? json(calibration_error(bins, all)) : json()},
                    {"threshold", all > 0 ? json(threshold) : json()},
                    {"pairs_evaluated", pairs.size()},
                    {"reliability", table_of(bins)}};
    add_decisions(metrics, pairs, positives, threshold);
    return metrics;
}

}  // namespace seqrec
