#include "kinds/shared/normal.hpp"

#include <cmath>

namespace seqrec::trainer {

at::Tensor normal(at::IntArrayRef shape, double deviation, Random& random) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
    float* values = tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
        values[i] = static_cast<float>(deviation * radius * std::cos(6.283185307179586 * random.uniform()));
    }
    return tensor;
}

}  // namespace seqrec::trainer
