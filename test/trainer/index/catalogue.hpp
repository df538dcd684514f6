// Items around a few directions, as catalogues have them, and their lists.
#pragma once

#include <numeric>
#include <vector>

#include "index/list_index.hpp"
#include "shop.hpp"

namespace seqrec::trainer::testing {

inline constexpr std::int64_t kWidth = 24;

inline float* row(const at::Tensor& matrix, std::int64_t i) {
    return matrix.data_ptr<float>() + i * matrix.size(1);
}

inline float dot(const float* a, const float* b) { return std::inner_product(a, a + kWidth, b, 0.0f); }

/// Unit vectors around `clusters` directions, more around the first ones.
/// 围绕 clusters 个方向的单位向量，靠前的方向更多。
inline at::Tensor clustered(std::int64_t items, std::int64_t clusters, std::uint64_t seed = 1) {
    Random random(seed);
    const auto number = [&] { return static_cast<float>(2 * random.uniform() - 1); };
    const at::Tensor centres = at::empty({clusters, kWidth}), result = at::empty({items, kWidth});
    for (std::int64_t i = 0; i < centres.numel(); ++i) centres.data_ptr<float>()[i] = number();
    for (std::int64_t i = 0; i < items; ++i) {
        const double at = random.uniform();
        const float* centre =
            row(centres, static_cast<std::int64_t>(at * at * static_cast<double>(clusters)));
        for (std::int64_t d = 0; d < kWidth; ++d) row(result, i)[d] = centre[d] + 0.4f * number();
    }
    return result / result.norm(2, 1, true);
}

inline ListIndex group(const at::Tensor& items, std::int64_t lists, std::uint64_t seed = 1, int threads = 2) {
    Workers workers(threads);
    return group_items(items, lists, Random(seed), workers, [](double share) { EXPECT_LE(share, 1); });
}

/// Items of each list.
/// 每个列表的物品数。
inline std::vector<std::int64_t> sizes(const ListIndex& index) {
    std::vector<std::int64_t> count(static_cast<std::size_t>(index.lists()));
    for (const std::int32_t list : index.list) ++count[static_cast<std::size_t>(list)];
    return count;
}

}  // namespace seqrec::trainer::testing
