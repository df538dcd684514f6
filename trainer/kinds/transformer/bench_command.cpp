#include "kinds/transformer/bench_command.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "kinds/shared/loss.hpp"
#include "kinds/shared/ops.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kSide = 2048;                              // of the large product
constexpr std::int64_t kTokens = 3200, kItems = 3416, kDim = 64;  // of one thread's loss step
constexpr int kRounds = 15;

/// The most GFLOP/s of several rounds.
template <typename Work>
double best_rate(double flops, Work work) {
    double best = 0;
    for (int round = 0; round < kRounds; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        best = std::max(best, flops / spent / 1e9);
    }
    return best;
}

double libtorch_rate(int threads) {
    at::set_num_threads(threads);
    const Tensor a = at::randn({kSide, kSide}), b = at::randn({kSide, kSide});
    Tensor c = at::empty({kSide, kSide});
    return best_rate(2.0 * kSide * kSide * kSide, [&] { at::mm_out(c, a, b); });
}

double product_rate(Workers& workers) {
    const Tensor a = at::randn({kSide, kSide}), b = at::randn({kSide, kSide});
    const Tensor c = at::empty({kSide, kSide});
    return best_rate(2.0 * kSide * kSide * kSide, [&] {
        workers.split(kSide, [&](std::int64_t begin, std::int64_t end) {
            kernels::table().gemm({end - begin, kSide, kSide, a.data_ptr<float>() + begin * kSide, kSide, 1,
                                   b.data_ptr<float>(), kSide, 1, c.data_ptr<float>() + begin * kSide,
                                   kSide});
        });
    });
}

double loss_rate(Workers& workers, bool bfloat16) {
    const Tensor items = unit_rows(at::randn({kItems, kDim})), hidden = unit_rows(at::randn({kTokens, kDim}));
    const std::vector<std::int32_t> labels(kTokens, 7);
    return best_rate(6.0 * kTokens * kItems * kDim * workers.count(), [&] {
        workers.run([&](int) {
            const Tensor w = items.detach().requires_grad_(), h = hidden.detach().requires_grad_();
            torch::autograd::grad({softmax_loss(h, w, labels, {}, 20, 1.0 / kTokens, bfloat16)}, {h, w});
        });
    });
}

}  // namespace

int run_bench(int threads) {
    const double libtorch = libtorch_rate(threads);
    Workers workers(threads);
    const nlohmann::json result = {
        {"threads", threads},
        {"kernels", kernels::table().name},
        {"libtorch_product_gflops", libtorch},
        {"product_gflops", product_rate(workers)},
        {"loss_gflops", loss_rate(workers, false)},
        {"bfloat16_loss_gflops",
         kernels::table().bfloat16 ? nlohmann::json(loss_rate(workers, true)) : nlohmann::json()}};
    std::puts(result.dump().c_str());
    return 0;
}

}  // namespace seqrec::trainer
