#include "measure/ranking_metrics.hpp"

#include <cmath>

namespace seqrec::trainer {

nlohmann::json ranking_metrics(const std::vector<std::int64_t>& ranks) {
    nlohmann::json metrics = nlohmann::json::object();
    for (const int k : {1, 5, 10, 20, 50}) {
        double hits = 0, gain = 0, reciprocal = 0;
        for (const std::int64_t rank : ranks) {
            if (rank >= k) continue;
            ++hits;
            gain += 1 / std::log2(static_cast<double>(rank) + 2);
            reciprocal += 1 / (static_cast<double>(rank) + 1);
        }
        const auto count = static_cast<double>(ranks.size());
        const std::string at = std::string("@").append(std::to_string(k));
        const auto mean = [&](double sum) {
            return ranks.empty() ? nlohmann::json() : nlohmann::json(sum / count);
        };
        metrics["hr" + at] = mean(hits);
        metrics["ndcg" + at] = mean(gain);
        metrics["mrr" + at] = mean(reciprocal);
    }
    return metrics;
}

}  // namespace seqrec::trainer
