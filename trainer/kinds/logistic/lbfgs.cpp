#include "kinds/logistic/lbfgs.hpp"

#include <cmath>
#include <deque>

namespace seqrec::trainer {
namespace {

using Vector = std::vector<float>;

constexpr std::size_t kMemory = 6;
constexpr double kArmijo = 1e-4;
constexpr int kMostHalvings = 20;

double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

void axpy(double factor, std::span<const float> x, std::span<float> y) {
    const auto f = static_cast<float>(factor);
    for (std::size_t i = 0; i < x.size(); ++i) y[i] += f * x[i];
}

/// A step that was taken, and what the gradient changed by.
struct Pair {
    Vector step, change;
    double product;
};

void scale(std::span<const float> diagonal, double factor, Vector& vector) {
    const auto f = static_cast<float>(factor);
    for (std::size_t i = 0; i < vector.size(); ++i) vector[i] *= f * diagonal[i];
}

double first_guess(const std::deque<Pair>& pairs, std::span<const float> preconditioner) {
    if (pairs.empty()) return 1;
    Vector scaled = pairs.back().change;
    scale(preconditioner, 1, scaled);
    return pairs.back().product / dot(pairs.back().change, scaled);
}

/// The two loops: minus the inverse Hessian times the gradient.
Vector direction_of(const Vector& gradient, const std::deque<Pair>& pairs,
                    std::span<const float> preconditioner) {
    Vector direction = gradient;
    std::vector<double> factors(pairs.size());
    for (std::size_t i = pairs.size(); i-- > 0;) {
        factors[i] = dot(pairs[i].step, direction) / pairs[i].product;
        axpy(-factors[i], pairs[i].change, direction);
    }
    scale(preconditioner, first_guess(pairs, preconditioner), direction);
    for (std::size_t i = 0; i < pairs.size(); ++i)
        axpy(factors[i] - dot(pairs[i].change, direction) / pairs[i].product, pairs[i].step, direction);
    for (float& x : direction) x = -x;
    return direction;
}

Vector difference(const Vector& a, const Vector& b) {
    Vector result = a;
    axpy(-1, b, result);
    return result;
}

}  // namespace

LbfgsResult minimise(const Objective& objective, std::span<const float> preconditioner, Vector& at,
                     const LbfgsOptions& options) {
    Vector gradient(at.size()), next(at.size()), next_gradient(at.size());
    LbfgsResult result{objective(at, gradient), 1};
    std::deque<Pair> pairs;
    for (int i = 0; i < options.iterations; ++i) {
        const Vector direction = direction_of(gradient, pairs, preconditioner);
        const double slope = dot(gradient, direction);
        if (!(slope < 0)) break;
        double length = 1, value = 0;
        for (int halvings = 0; halvings <= kMostHalvings; ++halvings, length /= 2) {
            next = at;
            axpy(length, direction, next);
            value = objective(next, next_gradient);
            ++result.evaluations;
            if (value <= result.value + kArmijo * length * slope) break;
        }
        if (!(value < result.value)) break;  // as good as numbers of this precision get
        Pair pair{difference(next, at), difference(next_gradient, gradient), 0};
        pair.product = dot(pair.step, pair.change);
        if (pair.product > 0) pairs.push_back(std::move(pair));
        if (pairs.size() > kMemory) pairs.pop_front();
        const double gain = result.value - value;
        std::swap(at, next);
        std::swap(gradient, next_gradient);
        result.value = value;
        if (gain < options.tolerance * std::abs(value) || (options.stop && options.stop())) break;
    }
    return result;
}

}  // namespace seqrec::trainer
