#include "kinds/transformer/company_weight.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "kernels/step_kernels.hpp"
#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::array kWeights = {0.0f, 0.05f, 0.1f, 0.2f, 0.3f, 0.5f, 0.8f};
constexpr std::size_t kQuestions = 10000;  // enough to tell weights apart, a second's work

using Gains = std::array<double, kWeights.size()>;

double gain(std::int64_t rank) { return rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0; }

std::int64_t rank_of(std::span<const float> scores, std::int32_t target) {
    const float own = scores[static_cast<std::size_t>(target)];
    return std::ranges::count_if(scores, [&](float score) { return score >= own; }) - 1;
}

/// Asks a question with every weight.
class Weighing {
  public:
    Weighing(const Dataset& data, const TransformerWeights& weights, const at::Tensor& rows, float scale,
             const Companions& companions)
        : data_(data),
          weights_(weights),
          rows_(rows),
          scale_(scale),
          company_(companions),
          plain_(static_cast<std::size_t>(data.items())),
          mixed_(plain_) {}

    void add(const Question& question, Gains& gains) {
        const at::NoGradGuard no_gradients;
        const at::Tensor query = weights_.ask(data_, std::span(&question, 1));
        const std::int64_t items = rows_.size(0), wide = rows_.size(1);
        kernels::table().gemm({1, items, wide, query.data_ptr<float>(), wide, 1, rows_.data_ptr<float>(), 1,
                               wide, plain_.data(), items, scale_});
        const auto all = data_.sequence(question.user);
        const auto clicks = all.first(static_cast<std::size_t>(question.at));
        const std::int32_t target = all[static_cast<std::size_t>(question.at)];
        for (std::size_t w = 0; w < kWeights.size(); ++w) {
            mixed_ = plain_;
            company_.add_to(mixed_, kWeights[w], data_.asker(question), clicks);
            if (!data_.keeps_repeats()) hide(clicks);
            gains[w] += gain(rank_of(mixed_, target));
        }
    }

  private:
    void hide(std::span<const std::int32_t> clicks) {
        for (const std::int32_t item : clicks)
            mixed_[static_cast<std::size_t>(item)] = -std::numeric_limits<float>::infinity();
    }

    const Dataset& data_;
    const TransformerWeights& weights_;
    const at::Tensor rows_;
    const float scale_;
    Company company_;
    std::vector<float> plain_, mixed_;
};

}  // namespace

CompanyWeight choose_company_weight(const Dataset& data, const Members& members, double temperature,
                                    const Companions& companions, Workers& workers,
                                    const std::function<void(double)>& poll) {
    const std::vector<Question> questions = thin_out(few_questions(data, HeldOut::Validation), kQuestions);
    if (questions.empty()) return {};
    const TransformerWeights weights(members);
    const at::Tensor rows = weights.item_rows();
    // rows are of unit length in each member's slice, a query is in all of them
    const auto scale = static_cast<float>(1 / (temperature * std::sqrt(static_cast<double>(members.size()))));
    std::vector<Gains> gains(questions.size());  // added up in one order, whatever the threads
    std::atomic<std::size_t> next = 0;
    workers.run([&](int) {
        Weighing weighing(data, weights, rows, scale, companions);
        for (std::size_t q; (q = next.fetch_add(1)) < questions.size();) {
            weighing.add(questions[q], gains[q]);
            if (q % 64 == 0) poll(static_cast<double>(q) / static_cast<double>(questions.size()));
        }
    });
    CompanyWeight chosen;
    double best = -1;
    for (std::size_t w = 0; w < kWeights.size(); ++w) {
        double sum = 0;
        for (const Gains& of_one : gains) sum += of_one[w];
        const double ndcg = sum / static_cast<double>(questions.size());
        chosen.metrics["company_ndcg@10"].push_back({kWeights[w], ndcg});
        if (ndcg <= best) continue;
        best = ndcg;
        chosen.weight = kWeights[w];
    }
    chosen.metrics["company"] = chosen.weight;
    return chosen;
}

}  // namespace seqrec::trainer
