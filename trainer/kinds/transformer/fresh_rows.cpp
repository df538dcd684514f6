#include "kinds/transformer/fresh_rows.hpp"

#include "kinds/shared/cold_shift.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

/// Items that were not trained on and of which something is said, or nothing.
Tensor fresh_items(const Content& content, bool described) {
    std::vector<std::int64_t> items;
    for (std::size_t i = 0; i < content.trained.size(); ++i)
        if (!content.trained[i] && static_cast<bool>(content.described[i]) == described)
            items.push_back(static_cast<std::int64_t>(i));
    return at::tensor(items, at::kLong);
}

}  // namespace

void set_fresh_rows(Members& members, const Content& content, const Tensor& mean_query, double share) {
    const at::NoGradGuard no_gradients;
    const Tensor described = fresh_items(content, true), unknown = fresh_items(content, false);
    const Tensor keep = at::ones({content.rows.size(0)});
    for (std::size_t m = 0; m < members.size(); ++m) {
        Member& member = members[m];
        const std::int64_t dim = member.own.size(1);
        const Tensor said = content.rows.mm(member.network.projection.t());
        member.fresh = stand_in(mean_query.narrow(0, static_cast<std::int64_t>(m) * dim, dim), said, share);
        member.own = member.own.clone();
        member.own.index_copy_(0, described, member.fresh.expand({described.size(0), dim}).contiguous());
        member.own.index_fill_(0, unknown, 0);
        member.network.item = member.own;
        member.network.item = member.network.rows(content.rows, keep, false);
    }
}

}  // namespace seqrec::trainer
