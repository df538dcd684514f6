#include "kinds/shared/ops.hpp"

#include <cmath>

#include "kernels/step_kernels.hpp"
#include "kinds/shared/plain_ops.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using kernels::Gemm;
using kernels::Mask;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const float* in(const Tensor& t) { return t.data_ptr<float>(); }
float* out(const Tensor& t) { return t.data_ptr<float>(); }

void save_mask(AutogradContext* context, Mask mask) {
    context->saved_data["seed"] = static_cast<std::int64_t>(mask.seed);
    context->saved_data["rate"] = static_cast<double>(mask.rate);
}
Mask saved_mask(AutogradContext* context) {
    return {static_cast<std::uint32_t>(context->saved_data["seed"].toInt()),
            static_cast<float>(context->saved_data["rate"].toDouble())};
}

/// A batch in a place where autograd keeps it until the backward pass is over.
struct BatchHolder : torch::CustomClassHolder {
    explicit BatchHolder(Batch batch, std::vector<std::int32_t> rows = {})
        : batch(std::move(batch)), rows(std::move(rows)) {}
    Batch batch;
    std::vector<std::int32_t> rows;
};
void save_batch(AutogradContext* context, Batch batch, std::vector<std::int32_t> rows = {}) {
    context->saved_data["batch"] =
        c10::IValue::make_capsule(c10::make_intrusive<BatchHolder>(std::move(batch), std::move(rows)));
}
const BatchHolder& saved_batch(AutogradContext* context) {
    return *static_cast<const BatchHolder*>(context->saved_data["batch"].toCapsule().get());
}

struct Embed : torch::autograd::Function<Embed> {
    static Tensor forward(AutogradContext* context, const Tensor& items, const Tensor& positions,
                          const Batch& batch, double scale, Mask mask) {
        const std::int64_t dim = items.size(1);
        Tensor result = at::empty({batch->tokens(), dim}, items.options());
        for (std::int64_t s = 0; s < batch->sequences(); ++s)
            for (std::int64_t t = batch->offsets[s]; t < batch->offsets[s + 1]; ++t) {
                float* row = out(result) + t * dim;
                std::copy_n(in(positions) + (t - batch->offsets[s]) * dim, dim, row);
                k().axpy(in(items) + batch->items[t] * dim, row, dim, static_cast<float>(scale));
            }
        if (mask.rate > 0) k().dropout(in(result), out(result), result.numel(), mask);
        context->save_for_backward({items, positions});
        context->saved_data["scale"] = scale;
        save_mask(context, mask);
        save_batch(context, batch);
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Batch& batch = saved_batch(context).batch;
        const Mask mask = saved_mask(context);
        const auto scale = static_cast<float>(context->saved_data["scale"].toDouble());
        const std::int64_t dim = saved[0].size(1);
        const Tensor gradient = mask.rate > 0 ? at::empty_like(gradients[0]) : gradients[0].contiguous();
        if (mask.rate > 0) k().dropout(in(gradients[0].contiguous()), out(gradient), gradient.numel(), mask);
        Tensor items = at::zeros_like(saved[0]), positions = at::zeros_like(saved[1]);
        for (std::int64_t s = 0; s < batch->sequences(); ++s)
            for (std::int64_t t = batch->offsets[s]; t < batch->offsets[s + 1]; ++t) {
                const float* row = in(gradient) + t * dim;
                k().axpy(row, out(items) + batch->items[t] * dim, dim, scale);
                k().axpy(row, out(positions) + (t - batch->offsets[s]) * dim, dim, 1);
            }
        return {items, positions, Tensor(), Tensor(), Tensor()};
    }
};

Tensor pairs_of_rows(const Tensor& x) {
    Tensor pairs = at::empty({(x.size(0) + 1) / 2, x.size(1)}, x.options());
    k().bfloat16->pair_rows(in(x), x.size(0), x.size(1), out(pairs));
    return pairs;
}
Tensor pairs_of_columns(const Tensor& x) {
    Tensor pairs = at::empty({x.size(0), (x.size(1) + 1) / 2}, x.options());
    k().bfloat16->pair_columns(in(x), x.size(0), x.size(1), out(pairs));
    return pairs;
}

/// As Product, every factor rounded to bfloat16.
struct Bfloat16Product : torch::autograd::Function<Bfloat16Product> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight) {
        const std::int64_t rows = x.size(0), to = weight.size(0);
        const Tensor a = pairs_of_columns(x), b = pairs_of_columns(weight);
        const std::int64_t depth = a.size(1);
        Tensor y = at::empty({rows, to}, x.options());
        k().bfloat16->gemm({rows, to, depth, in(a), depth, 1, in(b), 1, depth, out(y), to});
        context->save_for_backward({x, weight});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &x = saved[0], &weight = saved[1], dy = gradients[0].contiguous();
        const std::int64_t rows = x.size(0), from = x.size(1), to = weight.size(0);
        Tensor dx, dweight;
        if (x.requires_grad()) {
            dx = at::empty_like(x);
            const Tensor dy_columns = pairs_of_columns(dy), weight_rows = pairs_of_rows(weight);
            const std::int64_t depth = dy_columns.size(1);
            k().bfloat16->gemm(
                {rows, from, depth, in(dy_columns), depth, 1, in(weight_rows), from, 1, out(dx), from});
        }
        if (!weight.requires_grad()) return {dx, dweight};  // frozen
        dweight = at::empty_like(weight);
        const Tensor dy_rows = pairs_of_rows(dy), x_rows = pairs_of_rows(x);
        k().bfloat16->gemm(
            {to, from, dy_rows.size(0), in(dy_rows), 1, to, in(x_rows), from, 1, out(dweight), from});
        return {dx, dweight};
    }
};

struct Product : torch::autograd::Function<Product> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight) {
        const std::int64_t rows = x.size(0), from = x.size(1), to = weight.size(0);
        Tensor y = at::empty({rows, to}, x.options());
        k().gemm({rows, to, from, in(x), from, 1, in(weight), 1, from, out(y), to});
        context->save_for_backward({x, weight});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &x = saved[0], &weight = saved[1], dy = gradients[0].contiguous();
        const std::int64_t rows = x.size(0), from = x.size(1), to = weight.size(0);
        Tensor dx, dweight;
        if (x.requires_grad()) {
            dx = at::empty_like(x);
            k().gemm({rows, from, to, in(dy), to, 1, in(weight), from, 1, out(dx), from});
        }
        if (!weight.requires_grad()) return {dx, dweight};  // frozen
        dweight = at::empty_like(weight);
        k().gemm({to, from, rows, in(dy), 1, to, in(x), from, 1, out(dweight), from});
        return {dx, dweight};
    }
};

struct Norm : torch::autograd::Function<Norm> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          const Tensor& bias) {
        Tensor y = at::empty_like(x), statistics = at::empty({x.size(0), 2}, x.options());
        k().norm(in(x), in(weight), in(bias), out(y), out(statistics), x.size(0), x.size(1));
        context->save_for_backward({x, weight, statistics});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &x = saved[0], dy = gradients[0].contiguous();
        Tensor dx = at::empty_like(x), dweight = at::zeros_like(saved[1]), dbias = at::zeros_like(saved[1]);
        k().norm_backward(in(x), in(saved[1]), in(saved[2]), in(dy), out(dx), out(dweight), out(dbias),
                          x.size(0), x.size(1));
        return {dx, dweight, dbias};
    }
};

struct BiasGelu : torch::autograd::Function<BiasGelu> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& bias, Mask mask) {
        Tensor y = at::empty_like(x);
        k().bias_gelu(out(x), in(bias), out(y), x.size(0), x.size(1), mask);
        context->save_for_backward({x});  // the slope by now
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const Tensor slope = context->get_saved_variables()[0], dy = gradients[0].contiguous();
        Tensor dx = slope;  // in its place, which is in the cache by then: nobody reads it again
        Tensor dbias = at::zeros({slope.size(1)}, slope.options());
        k().bias_gelu_backward(in(slope), in(dy), out(dx), out(dbias), slope.size(0), slope.size(1));
        return {dx, dbias, Tensor()};
    }
};

struct Join : torch::autograd::Function<Join> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& bias,
                          const Tensor& residual, Mask mask) {
        Tensor y = at::empty_like(x);
        k().bias_dropout_add(in(x), in(bias), in(residual), out(y), x.size(0), x.size(1), mask);
        save_mask(context, mask);
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const Tensor dy = gradients[0].contiguous();
        const Mask mask = saved_mask(context);
        Tensor dx = dy;
        if (mask.rate > 0) {
            dx = at::empty_like(dy);
            k().dropout(in(dy), out(dx), dy.numel(), mask);
        }
        Tensor dbias = at::zeros({dy.size(1)}, dy.options());
        k().column_sums(in(dx), out(dbias), dy.size(0), dy.size(1));
        return {dx, dbias, dy, Tensor()};
    }
};

struct AddRows : torch::autograd::Function<AddRows> {
    static Tensor forward(AutogradContext* context, const Tensor& hidden, const Tensor& rows,
                          const Batch& batch, const std::vector<std::int32_t>& row_of_sequence) {
        const std::int64_t dim = hidden.size(1);
        Tensor y = hidden.clone();
        for (std::int64_t s = 0; s < batch->sequences(); ++s)
            if (row_of_sequence[s] >= 0)
                k().add_bias(out(y) + batch->offsets[s] * dim, in(rows) + row_of_sequence[s] * dim,
                             batch->offsets[s + 1] - batch->offsets[s], dim);
        context->save_for_backward({rows});
        save_batch(context, batch, row_of_sequence);
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const BatchHolder& held = saved_batch(context);
        const Tensor dy = gradients[0].contiguous();
        const std::int64_t dim = dy.size(1);
        Tensor drows = at::zeros_like(context->get_saved_variables()[0]);
        for (std::int64_t s = 0; s < held.batch->sequences(); ++s)
            if (held.rows[s] >= 0)
                k().column_sums(in(dy) + held.batch->offsets[s] * dim, out(drows) + held.rows[s] * dim,
                                held.batch->offsets[s + 1] - held.batch->offsets[s], dim);
        return {dy, drows, Tensor(), Tensor()};
    }
};

struct UnitRows : torch::autograd::Function<UnitRows> {
    static Tensor forward(AutogradContext* context, const Tensor& x) {
        const std::int64_t rows = x.size(0), dim = x.size(1);
        Tensor y = at::zeros_like(x), inverse = at::empty({rows}, x.options());
        for (std::int64_t r = 0; r < rows; ++r) {
            const float* row = in(x) + r * dim;
            const float length = std::sqrt(k().dot(row, row, dim));
            out(inverse)[r] = 1 / std::max(length, 1e-12f);
            k().axpy(row, out(y) + r * dim, dim, in(inverse)[r]);
        }
        context->save_for_backward({y, inverse});
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &y = saved[0], &inverse = saved[1], dy = gradients[0].contiguous();
        const std::int64_t rows = y.size(0), dim = y.size(1);
        Tensor dx = at::zeros_like(y);
        for (std::int64_t r = 0; r < rows; ++r) {
            const float *unit = in(y) + r * dim, *gradient = in(dy) + r * dim;
            const float along = k().dot(unit, gradient, dim);
            k().axpy(gradient, out(dx) + r * dim, dim, in(inverse)[r]);
            k().axpy(unit, out(dx) + r * dim, dim, -along * in(inverse)[r]);
        }
        return {dx};
    }
};

}  // namespace

Tensor embed(const Tensor& items, const Tensor& positions, const Batch& batch, float scale, Mask mask) {
    if (!items.is_cpu()) return plain::embed(items, positions, batch, scale, mask.rate);
    return Embed::apply(items, positions, batch, static_cast<double>(scale), mask);
}
Tensor product(const Tensor& x, const Tensor& weight, bool bfloat16) {
    if (!x.is_cpu()) return plain::product(x, weight);
    return bfloat16 ? Bfloat16Product::apply(x, weight) : Product::apply(x, weight);
}
Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return x.is_cpu() ? Norm::apply(x, weight, bias) : plain::norm(x, weight, bias);
}
Tensor bias_gelu(const Tensor& x, const Tensor& bias, Mask mask) {
    return x.is_cpu() ? BiasGelu::apply(x, bias, mask) : plain::bias_gelu(x, bias, mask.rate);
}
Tensor join(const Tensor& x, const Tensor& bias, const Tensor& residual, Mask mask) {
    return x.is_cpu() ? Join::apply(x, bias, residual, mask) : plain::join(x, bias, residual, mask.rate);
}
Tensor add_rows(const Tensor& hidden, const Tensor& rows, const Batch& batch,
                const std::vector<std::int32_t>& row_of_sequence) {
    if (!hidden.is_cpu()) return plain::add_rows(hidden, rows, batch, row_of_sequence);
    return AddRows::apply(hidden, rows, batch, row_of_sequence);
}
Tensor unit_rows(const Tensor& x) { return x.is_cpu() ? UnitRows::apply(x) : plain::unit_rows(x); }

}  // namespace seqrec::trainer
