// Minimising a smooth convex function of many variables.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace seqrec::trainer {

/// The function's value at a point; its gradient goes to the second argument.
/// 函数在某点的值；梯度写入第二个参数。
using Objective = std::function<double(std::span<const float> at, std::span<float> gradient)>;

struct LbfgsOptions {
    int iterations;
    double tolerance;                 ///< ends when a step gains less than this share of the value
    std::function<bool()> stop = {};  ///< asked after every step
};

struct LbfgsResult {
    double value;
    int evaluations;
};

/// Limited-memory BFGS (Nocedal, Wright, Numerical Optimization, algorithm 7.4) with the last six steps, a
/// diagonal first guess of the inverse Hessian `preconditioner` [n] instead of a multiple of the identity,
/// and steps halved until they satisfy Armijo's condition. `at` [n] is where it begins, and where it ends.
/// 有限内存 BFGS，保留最近六步，以对角矩阵 preconditioner 作为逆 Hessian 的初值，步长减半直至满足
/// Armijo 条件。at 既是起点也是终点。
LbfgsResult minimise(const Objective& objective, std::span<const float> preconditioner,
                     std::vector<float>& at, const LbfgsOptions& options);

}  // namespace seqrec::trainer
