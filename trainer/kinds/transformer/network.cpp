#include "kinds/transformer/network.hpp"

namespace seqrec::trainer {

using at::Tensor;

Transformer::Transformer(const BlockSizes& sizes, std::int64_t items, Random& random, std::int64_t content)
    : item(normal({items, sizes.dim}, 0.02, random)),
      position(normal({sizes.length, sizes.dim}, 0.02, random)),
      norm_weight(at::ones({sizes.dim})),
      norm_bias(at::zeros({sizes.dim})) {
    for (std::int64_t i = 0; i < sizes.layers; ++i) blocks.push_back(fresh_block(sizes, random));
    if (content > 0) projection = normal({sizes.dim, content}, 0.02, random);
}

void Transformer::for_each(const Visit& visit) {
    visit("item.embedding", item);
    visit("position.embedding", position);
    visit("norm.weight", norm_weight);
    visit("norm.bias", norm_bias);
    for_each_tensor(blocks, visit);
    if (projection.defined()) visit("content.projection", projection);
    if (!click_moments.defined()) return;
    visit("context.in", click_moments);
    visit("context.out", asked_moments);
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

void Transformer::begin_moments(std::int64_t rows) {
    click_moments = rows > 0 ? at::zeros({rows, item.size(1)}) : Tensor();
    asked_moments = rows > 0 ? at::zeros({rows, item.size(1)}) : Tensor();
}

Tensor Transformer::forward(const Batch& batch, Pass pass,
                            const std::shared_ptr<const Terms>& moments) const {
    const auto scale = std::sqrt(static_cast<float>(item.size(1)));
    Tensor x = embed(item, position, batch, scale, pass.mask(0));
    if (moments) x = x + gather({click_moments}, moments, {});
    return norm(run_blocks(blocks, x, batch, pass), norm_weight, norm_bias);
}

}  // namespace seqrec::trainer
