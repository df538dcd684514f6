#include "kinds/shared/blocks.hpp"

#include <cmath>

namespace seqrec::trainer {

using at::Tensor;

Block fresh_block(const BlockSizes& sizes, Random& random) {
    const std::int64_t dim = sizes.dim;
    const double deviation = 1 / std::sqrt(static_cast<double>(dim));
    const double out = deviation / std::sqrt(2.0 * static_cast<double>(sizes.layers));
    return {at::ones({dim}),
            at::zeros({dim}),
            normal({3 * dim, dim}, deviation, random),
            at::zeros({3 * dim}),
            at::zeros({sizes.heads, sizes.length}),
            normal({dim, dim}, out, random),
            at::zeros({dim}),
            at::ones({dim}),
            at::zeros({dim}),
            normal({4 * dim, dim}, deviation, random),
            at::zeros({4 * dim}),
            normal({dim, 4 * dim}, out / 2, random),
            at::zeros({dim})};
}

void for_each_tensor(std::vector<Block>& blocks,
                     const std::function<void(const std::string& name, Tensor& tensor)>& visit) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const std::string prefix = "block." + std::to_string(i) + ".";
        Block& block = blocks[i];
        visit(prefix + "norm1.weight", block.norm1_weight);
        visit(prefix + "norm1.bias", block.norm1_bias);
        visit(prefix + "qkv.weight", block.qkv_weight);
        visit(prefix + "qkv.bias", block.qkv_bias);
        visit(prefix + "relative", block.relative);
        visit(prefix + "out.weight", block.out_weight);
        visit(prefix + "out.bias", block.out_bias);
        visit(prefix + "norm2.weight", block.norm2_weight);
        visit(prefix + "norm2.bias", block.norm2_bias);
        visit(prefix + "wide.weight", block.wide_weight);
        visit(prefix + "wide.bias", block.wide_bias);
        visit(prefix + "narrow.weight", block.narrow_weight);
        visit(prefix + "narrow.bias", block.narrow_bias);
    }
}

Tensor run_blocks(const std::vector<Block>& blocks, Tensor x, const Batch& batch, Pass pass) {
    const auto multiply = [&](const Tensor& y, const Tensor& weight) {
        return product(y, weight, pass.bfloat16);
    };
    std::uint32_t layer = 1;
    for (const Block& block : blocks) {
        const Tensor qkv = multiply(norm(x, block.norm1_weight, block.norm1_bias), block.qkv_weight);
        const Tensor seen = attention(qkv, block.qkv_bias, block.relative, batch, pass.mask(layer));
        x = join(multiply(seen, block.out_weight), block.out_bias, x, pass.mask(layer + 1));
        const Tensor wide = multiply(norm(x, block.norm2_weight, block.norm2_bias), block.wide_weight);
        const Tensor active = bias_gelu(wide, block.wide_bias, pass.mask(layer + 2));
        x = join(multiply(active, block.narrow_weight), block.narrow_bias, x, pass.mask(layer + 3));
        layer += 4;
    }
    return x;
}

}  // namespace seqrec::trainer
