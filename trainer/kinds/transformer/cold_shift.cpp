#include "kinds/transformer/cold_shift.hpp"

#include <algorithm>
#include <cmath>

#include "kinds/transformer/content.hpp"
#include "measure/evaluation.hpp"
#include "measure/repeats.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kShares[] = {0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5};
constexpr std::size_t kFew = 100;         // questions that tell nothing
constexpr double kPaid = 0.995;           // of the best NDCG@10: what new items may cost the others
constexpr std::size_t kAsked = 4000;      // questions of either sort that a share is judged by
constexpr std::size_t kAskedMean = 2000;  // users whose queries are averaged

std::vector<std::int64_t> fresh_items(const Content& content) {
    std::vector<std::int64_t> items;
    for (std::size_t i = 0; i < content.trained.size(); ++i)
        if (content.described[i] && !content.trained[i]) items.push_back(static_cast<std::int64_t>(i));
    return items;
}

double ndcg_sum(const std::vector<std::int64_t>& ranks) {
    double sum = 0;
    for (const std::int64_t rank : ranks)
        if (rank < 10) sum += 1 / std::log2(static_cast<double>(rank) + 2);
    return sum;
}

}  // namespace

Tensor mean_query(const Dataset& data, const Members& members) {
    Histories histories;
    std::vector<std::int32_t> users;
    for (const Question& question : thin_out(data.questions(HeldOut::Validation), kAskedMean)) {
        histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
        users.push_back(data.asker(question));
    }
    const TransformerWeights weights(members);
    if (users.empty()) return at::zeros({weights.item_rows().size(1)});
    return weights.encode(histories, users).mean(0);
}

void set_fresh_rows(Members& members, const Content& content, const Tensor& mean_query, double share) {
    const at::NoGradGuard no_gradients;
    const std::vector<std::int64_t> items = fresh_items(content);
    const Tensor at_items = at::tensor(items, at::kLong);
    const Tensor keep = at::ones({content.rows.size(0)});
    for (std::size_t m = 0; m < members.size(); ++m) {
        Member& member = members[m];
        const std::int64_t dim = member.own.size(1);
        const Tensor said = content.rows.mm(member.network.projection.t());
        const double length = said.norm(2, 1).mean().item<double>();
        const Tensor mean = mean_query.narrow(0, static_cast<std::int64_t>(m) * dim, dim);
        member.fresh = mean / mean.norm().clamp_min(1e-12) * (share * length);
        member.own = member.own.clone();
        if (!items.empty())
            member.own.index_copy_(0, at_items, member.fresh.expand({at_items.size(0), dim}).contiguous());
        member.network.item = member.own;
        member.network.item = member.network.rows(content.rows, keep, false);
    }
}

double choose_cold_shift(const Dataset& data, const Members& measured, const Content& content,
                         const Tensor& mean_query, Workers& workers,
                         const std::function<void(double)>& poll) {
    const std::vector<Question>& cold = data.cold_questions(HeldOut::Validation);
    const std::vector<Question>& warm = data.questions(HeldOut::Validation);
    if (cold.size() < kFew || warm.size() < kFew) return 0;
    const std::vector<Question> few = thin_out(warm, kAsked), asked = thin_out(cold, kAsked);
    const double warm_weight = static_cast<double>(warm.size()) / static_cast<double>(few.size());
    const double cold_weight = static_cast<double>(cold.size()) / static_cast<double>(asked.size());
    const Shifts shifts = fit_shifts(data, few, TransformerWeights(measured), workers, poll);
    std::vector<double> sums;
    for (const double share : kShares) {
        Members tried = measured;
        set_fresh_rows(tried, content, mean_query, share);
        const TransformerWeights weights(std::move(tried));
        const auto ranks = [&](const std::vector<Question>& questions) {
            return rank_held_out(data, questions, HeldOut::Validation, weights, shifts, workers, poll).ranks;
        };
        sums.push_back(warm_weight * ndcg_sum(ranks(few)) + cold_weight * ndcg_sum(ranks(asked)));
    }
    std::size_t chosen = sums.size() - 1;
    while (sums[chosen] < kPaid * *std::ranges::max_element(sums)) --chosen;
    return kShares[chosen];
}

}  // namespace seqrec::trainer
