#include "kinds/transformer/fresh_rows.hpp"

#include "kinds/shared/cold_shift.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

std::vector<std::int64_t> fresh_items(const Content& content) {
    std::vector<std::int64_t> items;
    for (std::size_t i = 0; i < content.trained.size(); ++i)
        if (content.described[i] && !content.trained[i]) items.push_back(static_cast<std::int64_t>(i));
    return items;
}

}  // namespace

void set_fresh_rows(Members& members, const Content& content, const Tensor& mean_query, double share) {
    const at::NoGradGuard no_gradients;
    const std::vector<std::int64_t> items = fresh_items(content);
    const Tensor at_items = at::tensor(items, at::kLong);
    const Tensor keep = at::ones({content.rows.size(0)});
    for (std::size_t m = 0; m < members.size(); ++m) {
        Member& member = members[m];
        const std::int64_t dim = member.own.size(1);
        const Tensor said = content.rows.mm(member.network.projection.t());
        member.fresh = stand_in(mean_query.narrow(0, static_cast<std::int64_t>(m) * dim, dim), said, share);
        member.own = member.own.clone();
        if (!items.empty())
            member.own.index_copy_(0, at_items, member.fresh.expand({at_items.size(0), dim}).contiguous());
        member.network.item = member.own;
        member.network.item = member.network.rows(content.rows, keep, false);
    }
}

}  // namespace seqrec::trainer
