#include "kinds/transformer/bench_command.hpp"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "kinds/shared/loss.hpp"
#include "kinds/shared/ops.hpp"
#include "run/workers.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kSide = 2048;                                  // of the large product
constexpr std::int64_t kTokens = 3200, kLossItems = 3416, kDim = 64;  // of one thread's loss step
constexpr int kRounds = 15;

/// What is measured: a part of the work for each thread. All of it are `flops`.
struct Work {
    std::string name;
    double flops;
    std::function<void(int part)> part;
    double least = std::numeric_limits<double>::infinity();  // seconds
};

double thread_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// The CPU time of the slowest thread: what else runs on the machine is left out, but for what it takes of the
/// caches.
double time_once(const Work& work, Workers& workers) {
    std::vector<double> spent(static_cast<std::size_t>(workers.count()));
    workers.run([&](int part) {
        const double begin = thread_seconds();
        work.part(part);
        spent[static_cast<std::size_t>(part)] = thread_seconds() - begin;
    });
    return *std::max_element(spent.begin(), spent.end());
}

/// Every thread's rows of C = A B, by libtorch's BLAS or by the kernels.
struct LargeProduct {
    Tensor a = at::randn({kSide, kSide}), b = at::randn({kSide, kSide}), c = at::empty({kSide, kSide});
    int parts;

    double flops() const { return 2.0 * kSide * kSide * kSide; }
    std::pair<std::int64_t, std::int64_t> rows(int part) const {
        return {kSide * part / parts, kSide * (part + 1) / parts};
    }
    void by_libtorch(int part) const {
        const auto [begin, end] = rows(part);
        Tensor to = c.slice(0, begin, end);
        at::mm_out(to, a.slice(0, begin, end), b);
    }
    void by_kernels(int part) const {
        const auto [begin, end] = rows(part);
        kernels::table().gemm({end - begin, kSide, kSide, a.data_ptr<float>() + begin * kSide, kSide, 1,
                               b.data_ptr<float>(), kSide, 1, c.data_ptr<float>() + begin * kSide, kSide});
    }
};

Work loss_work(const std::string& name, bool bfloat16, int threads) {
    const Tensor items = unit_rows(at::randn({kLossItems, kDim})),
                 hidden = unit_rows(at::randn({kTokens, kDim}));
    const std::vector<std::int32_t> labels(kTokens, 7);
    return {name, 6.0 * kTokens * kLossItems * kDim * threads, [=](int) {
                const Tensor w = items.detach().requires_grad_(), h = hidden.detach().requires_grad_();
                torch::autograd::grad({softmax_loss(h, w, labels, {}, 20, 1.0 / kTokens, bfloat16)}, {h, w});
            }};
}

}  // namespace

/// One after the other in every round, so that a change of the machine's speed meets all of them.
int run_bench(int threads) {
    Workers workers(threads);
    const LargeProduct product{.parts = threads};
    std::vector<Work> all{
        {"libtorch_product_gflops", product.flops(), [&](int part) { product.by_libtorch(part); }},
        {"product_gflops", product.flops(), [&](int part) { product.by_kernels(part); }},
        loss_work("loss_gflops", false, threads)};
    if (kernels::table().bfloat16) all.push_back(loss_work("bfloat16_loss_gflops", true, threads));
    for (int round = 0; round < kRounds; ++round)
        for (Work& work : all) work.least = std::min(work.least, time_once(work, workers));
    nlohmann::json result = {
        {"threads", threads}, {"kernels", kernels::table().name}, {"bfloat16_loss_gflops", nullptr}};
    for (const Work& work : all) result[work.name] = work.flops / work.least / 1e9;
    std::puts(result.dump().c_str());
    return 0;
}

}  // namespace seqrec::trainer
