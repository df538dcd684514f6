// Weights of no kind in particular: rows and queries as a test gives them.
#pragma once

#include "kinds/weights.hpp"

namespace seqrec::trainer::testing {

/// A query is the user's row, or zero for nobody; clicks do not matter.
/// 查询即用户的行，无用户则为零；点击不起作用。
class FewWeights final : public Weights {
  public:
    FewWeights(at::Tensor items, at::Tensor users) : items_(std::move(items)), users_(std::move(users)) {}

    at::Tensor item_rows() const override { return items_; }
    at::Tensor user_rows() const override { return users_; }
    std::vector<NamedTensor> tensors() const override { return {{"extra", at::full({1}, 5.0f)}}; }
    at::Tensor encode(const Histories& histories, const std::vector<std::int32_t>& users) const override {
        at::Tensor queries = at::zeros({static_cast<std::int64_t>(histories.size()), items_.size(1)});
        for (std::size_t q = 0; q < users.size(); ++q)
            if (users[q] >= 0)
                queries.select(0, static_cast<std::int64_t>(q)).copy_(users_.select(0, users[q]));
        return queries;
    }

  private:
    at::Tensor items_, users_;
};

}  // namespace seqrec::trainer::testing
