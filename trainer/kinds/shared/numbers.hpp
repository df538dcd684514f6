// Small arithmetic of the logistic trainer.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace seqrec::trainer {

/// Mean and standard deviation, the latter 1 where all are the same. Counted in shares of the largest, so that
/// no sum is too large however large the numbers are.
/// 均值与标准差；全部相同时标准差为 1。以最大值为单位累加，数值再大也不会溢出。
inline std::pair<double, double> mean_and_deviation(const std::vector<double>& numbers) {
    double unit = 0, sum = 0, squares = 0;
    for (const double x : numbers) unit = std::max(unit, std::abs(x));
    if (!(unit > 0)) return {0, 1};
    const auto count = static_cast<double>(numbers.size());
    for (const double x : numbers) sum += x / unit;
    const double mean = sum / count;
    for (const double x : numbers) squares += (x / unit - mean) * (x / unit - mean);
    const double deviation = std::sqrt(squares / count) * unit;
    return {mean * unit, deviation > 0 ? deviation : 1};
}

/// A number as people write it, six digits at most.
/// 便于阅读的数字，至多六位有效数字。
inline std::string short_number(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", number);
    return text;
}

inline double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

/// log(1 + exp(x)) without overflow.
/// 不溢出的 log(1 + exp(x))。
inline double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

}  // namespace seqrec::trainer
