#include "kinds/transformer/fitted_content.hpp"

#include <vector>

#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kPenalties[] = {0.01, 0.1, 1, 10};  // in mean squares of a column of content
constexpr std::int64_t kTold = 10;                   // one item in so many tells which penalty is best

/// [dim, width]: rows = content projection^T with the least squares and penalty.
Tensor fit(const Tensor& content, const Tensor& rows, double penalty) {
    Tensor products = content.t().mm(content);
    const double unit = products.diagonal().mean().item<double>();
    products = products + at::eye(products.size(0)) * (penalty * unit + 1e-9);
    return at::linalg_solve(products, content.t().mm(rows)).t().contiguous();
}

/// The mean cosine between what is said of items and what they are.
double agreement(const Tensor& content, const Tensor& rows, const Tensor& projection) {
    return at::cosine_similarity(content.mm(projection.t()), rows, 1).mean().item<double>();
}

double best_penalty(const Tensor& content, const Tensor& rows) {
    std::vector<std::int64_t> told, learned;
    for (std::int64_t i = 0; i < content.size(0); ++i) (i % kTold == 0 ? told : learned).push_back(i);
    if (learned.empty()) return kPenalties[1];
    const Tensor a = index_of(learned), b = index_of(told);
    double best = kPenalties[0], highest = -2;
    for (const double penalty : kPenalties) {
        const Tensor projection = fit(content.index_select(0, a), rows.index_select(0, a), penalty);
        const double agrees = agreement(content.index_select(0, b), rows.index_select(0, b), projection);
        if (agrees > highest) best = penalty, highest = agrees;
    }
    return best;
}

}  // namespace

Member with_fitted_content(Member member, const Content& content) {
    const at::NoGradGuard no_gradients;
    std::vector<std::int64_t> known, unknown;
    for (std::size_t i = 0; i < content.trained.size(); ++i)
        if (content.described[i])
            (content.trained[i] ? known : unknown).push_back(static_cast<std::int64_t>(i));
    const Tensor at_known = index_of(known), row = member.network.item;
    member.network.projection = at::zeros({row.size(1), content.rows.size(1)});
    if (!known.empty()) {
        const Tensor said = content.rows.index_select(0, at_known), are = row.index_select(0, at_known);
        member.network.projection = fit(said, are, best_penalty(said, are));
    }
    member.own = row - content.rows.mm(member.network.projection.t());
    if (!unknown.empty()) member.own.index_fill_(0, index_of(unknown), 0);
    member.network.item = member.own;
    member.network.item = member.network.rows(content.rows, at::ones({row.size(0)}), false);
    return member;
}

}  // namespace seqrec::trainer
