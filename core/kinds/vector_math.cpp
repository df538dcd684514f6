#include "core/kinds/vector_math.hpp"

#include <algorithm>
#include <cmath>

#include "core/kinds/model_config.hpp"

namespace seqrec {

float gelu(float x) { return 0.5f * x * (1 + std::tanh(0.7978845608028654f * (x + 0.044715f * x * x * x))); }

void softmax(std::span<float> scores) {
    const float most = *std::ranges::max_element(scores);
    float sum = 0;
    for (float& score : scores) sum += score = std::exp(score - most);
    for (float& score : scores) score /= sum;
}

bool normalise(std::span<float> vector) {
    float squares = 0;
    for (const float x : vector) squares += x * x;
    if (!std::isfinite(squares)) corrupted_model("its weights are not finite numbers");
    const float length = std::sqrt(squares);
    if (length > 0)
        for (float& x : vector) x /= length;
    return length > 0;
}

}  // namespace seqrec
