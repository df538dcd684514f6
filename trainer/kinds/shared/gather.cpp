#include "kinds/shared/gather.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/step_kernels.hpp"
#include "kinds/shared/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using kernels::Mask;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What the backward pass needs beside the tables.
struct Held : torch::CustomClassHolder {
    Held(std::shared_ptr<const Terms> terms, Mask mask) : terms(std::move(terms)), mask(mask) {}
    std::shared_ptr<const Terms> terms;
    Mask mask;
};

/// Calls each(token, term) for all terms.
template <typename Each>
void for_each_term(const Terms& terms, const Each& each) {
    for (std::int64_t t = 0; t < terms.tokens(); ++t)
        for (auto i = terms.offsets[static_cast<std::size_t>(t)];
             i < terms.offsets[static_cast<std::size_t>(t) + 1]; ++i)
            each(t, terms.terms[static_cast<std::size_t>(i)]);
}

struct Gather : torch::autograd::Function<Gather> {
    /// Tables one by one: autograd does not look into lists.
    static Tensor forward(AutogradContext* context, const Tensor& a, const Tensor& b, const Tensor& c,
                          const Tensor& d, const Tensor& e, const std::shared_ptr<const Terms>& terms,
                          Mask mask) {
        const variable_list tables = {a, b, c, d, e};
        const std::int64_t dim = tables[0].size(1);
        Tensor result = at::zeros({terms->tokens(), dim}, tables[0].options());
        for_each_term(*terms, [&](std::int64_t t, const Terms::Term& term) {
            k().axpy(tables[static_cast<std::size_t>(term.table)].data_ptr<float>() + term.row * dim,
                     result.data_ptr<float>() + t * dim, dim, term.x);
        });
        if (mask.rate > 0)
            k().dropout(result.data_ptr<float>(), result.data_ptr<float>(), result.numel(), mask);
        context->save_for_backward(tables);
        context->saved_data["held"] = c10::IValue::make_capsule(c10::make_intrusive<Held>(terms, mask));
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list tables = context->get_saved_variables();
        const auto capsule = context->saved_data["held"].toCapsule();
        const Held& held = *static_cast<const Held*>(capsule.get());
        const std::int64_t dim = tables[0].size(1);
        Tensor along = gradients[0].contiguous();
        if (held.mask.rate > 0) {
            const Tensor masked = at::empty_like(along);
            k().dropout(along.data_ptr<float>(), masked.data_ptr<float>(), along.numel(), held.mask);
            along = masked;
        }
        variable_list result(tables.size() + 2);  // what is frozen gets none
        for (std::size_t i = 0; i < tables.size(); ++i)
            if (tables[i].requires_grad()) result[i] = at::zeros_like(tables[i]);
        for_each_term(*held.terms, [&](std::int64_t t, const Terms::Term& term) {
            const Tensor& to = result[static_cast<std::size_t>(term.table)];
            if (to.defined())
                k().axpy(along.data_ptr<float>() + t * dim, to.data_ptr<float>() + term.row * dim, dim,
                         term.x);
        });
        return result;
    }
};

}  // namespace

Tensor gather(const std::vector<Tensor>& tables, std::shared_ptr<const Terms> terms, Mask mask) {
    if (tables.size() == 1 && !tables[0].is_cpu()) return plain::gather(tables[0], *terms);
    std::array<Tensor, kMostTables> given;
    given.fill(at::zeros({0, tables[0].size(1)}, tables[0].options()));
    std::ranges::copy(tables, given.begin());
    return Gather::apply(given[0], given[1], given[2], given[3], given[4], std::move(terms), mask);
}

}  // namespace seqrec::trainer
