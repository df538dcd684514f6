#include "kinds/transformer/network.hpp"

#include <cmath>

namespace seqrec::trainer {

using at::Tensor;

Transformer::Transformer(const Settings& settings, std::int64_t items, Random& random, std::int64_t content)
    : item(normal({items, settings.dim}, 0.02, random)),
      position(normal({settings.max_len, settings.dim}, 0.02, random)),
      norm_weight(at::ones({settings.dim})),
      norm_bias(at::zeros({settings.dim})) {
    for (std::int64_t i = 0; i < settings.layers; ++i)
        blocks.push_back(
            fresh_block({settings.dim, settings.layers, settings.heads, settings.max_len}, random));
    if (content > 0) projection = normal({settings.dim, content}, 0.02, random);
}

void Transformer::for_each(const Visit& visit) {
    visit("item.embedding", item);
    visit("position.embedding", position);
    visit("norm.weight", norm_weight);
    visit("norm.bias", norm_bias);
    for_each_tensor(blocks, visit);
    if (projection.defined()) visit("content.projection", projection);
}

std::vector<Tensor> Transformer::tensors() {
    std::vector<Tensor> list;
    for_each([&](const std::string&, Tensor& tensor) { list.push_back(tensor); });
    return list;
}

Tensor Transformer::rows(const Tensor& content, const Tensor& keep, bool bfloat16) const {
    if (!projection.defined()) return item;
    return item * keep.unsqueeze(1) + product(content, projection, bfloat16);
}

Tensor Transformer::forward(const Batch& batch, Pass pass) const {
    const auto scale = std::sqrt(static_cast<float>(item.size(1)));
    const Tensor x = embed(item, position, batch, scale, pass.mask(0));
    return norm(run_blocks(blocks, x, batch, pass), norm_weight, norm_bias);
}

}  // namespace seqrec::trainer
