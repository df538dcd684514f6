// One network: how its weights are packed, and that kernels need no more memory than they ask for.
#include "core/kinds/transformer_network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace seqrec {
namespace {

/// FNV-1a of one block's weights as they are packed, all whole numbers, so that no compiler rounds otherwise.
std::uint64_t packing_of(const EncoderKernels& kernels, std::int64_t dim, std::int64_t heads) {
    const std::int64_t max_len = 4;
    std::vector<float> numbers(static_cast<std::size_t>(16 * dim * dim));
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i * i % 7) - 3;
    const float* next = numbers.data();
    const auto some = [&](std::int64_t count) {
        return std::span(std::exchange(next, next + count), static_cast<std::size_t>(count));
    };
    const NetworkWeights weights{{{some(dim), some(dim), some(3 * dim * dim), some(3 * dim),
                                   some(heads * max_len), some(dim * dim), some(dim), some(dim), some(dim),
                                   some(4 * dim * dim), some(4 * dim), some(4 * dim * dim), some(dim)}},
                                 some(dim),
                                 some(dim)};
    PackedWeights measure;
    Network(kernels, {dim, heads, max_len}, weights, measure);
    const AlignedMemory memory(measure.used());
    std::fill_n(memory.data(), measure.used(), std::byte{});
    PackedWeights filling = PackedWeights::filling(memory.data());
    Network(kernels, {dim, heads, max_len}, weights, filling);
    EXPECT_EQ(filling.used(), measure.used());
    std::uint64_t hash = 14695981039346656037U;
    for (const std::byte byte : std::span(memory.data(), measure.used()))
        hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 1099511628211U;
    return hash;
}

/// Snapshots hold packed weights. Whoever changes how they are packed must raise kPackedLayout, so that those
/// of an older program are not taken for today's, and write the new numbers here.
TEST(PackedWeights, LayoutIsTheOneThatFilesAreMarkedWith) {
    ASSERT_EQ(kPackedLayout, 1);
    const std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> known = {
        {"portable", {11261004368662052515U, 11402145314763784155U}},
        {"avx2", {2589621114128225263U, 8759812585339218971U}},
        {"avx2int16", {11299697226546736432U, 13478434722285129096U}},
        {"avx512", {5435165544740327519U, 12276773626938049915U}},
        {"avx512bf16", {9748489623618811109U, 1078479788577392222U}}};
    for (const EncoderKernels* kernels : encoder_kernels()) {
        const auto& [folded, joined] = known.at(kernels->name);
        EXPECT_EQ(packing_of(*kernels, 32, 1), folded) << kernels->name;
        EXPECT_EQ(packing_of(*kernels, 8, 2), joined) << kernels->name;
    }
}

TEST(PackedWeights, PartsBeginAtWholeCacheLines) {
    PackedWeights measure;
    EXPECT_EQ(measure.take(1), nullptr);
    EXPECT_EQ(measure.take(64), nullptr);
    EXPECT_EQ(measure.take_floats(17), nullptr);
    EXPECT_EQ(measure.used(), 64U + 64 + 128);
    const AlignedMemory memory(measure.used());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0U);
    PackedWeights filling = PackedWeights::filling(memory.data()),
                  reading = PackedWeights::reading(memory.data());
    EXPECT_TRUE(filling.fills());
    EXPECT_FALSE(reading.fills());
    for (const std::size_t bytes : {1, 64, 68}) EXPECT_EQ(filling.take(bytes), reading.take(bytes));
    EXPECT_EQ(filling.used(), measure.used());
}

/// A small network of whole numbers for each kernel, filled and then found again.
struct Packed {
    std::vector<float> numbers;
    AlignedMemory memory;
    NetworkWeights weights;
    NetworkSizes sizes{8, 2, 4};

    explicit Packed(const EncoderKernels& kernels) : numbers(4096) {
        for (std::size_t i = 0; i < numbers.size(); ++i)
            numbers[i] = static_cast<float>(i * i % 7) / 16 - 0.2f;
        const float* next = numbers.data();
        const auto some = [&](std::size_t count) {
            return std::span(std::exchange(next, next + count), count);
        };
        weights.blocks.push_back({some(8), some(8), some(192), some(24), some(8), some(64), some(8), some(8),
                                  some(8), some(256), some(32), some(256), some(8)});
        weights.norm_weight = some(8);
        weights.norm_bias = some(8);
        PackedWeights measure;
        Network(kernels, sizes, weights, measure);
        memory = AlignedMemory(measure.used());
        PackedWeights filling = PackedWeights::filling(memory.data());
        Network(kernels, sizes, weights, filling);
    }

    std::vector<float> run(const EncoderKernels& kernels, const Network& network, std::size_t length) const {
        const Workspace workspace(kernels, sizes, length);
        std::fill_n(workspace.x, workspace.row * static_cast<std::ptrdiff_t>(length), 0.0f);
        for (std::size_t p = 0; p < length; ++p)
            for (std::size_t d = 0; d < 8; ++d)
                workspace.x[p * static_cast<std::size_t>(workspace.row) + d] = numbers[p * 8 + d];
        std::vector<float> out(8);
        network.run(workspace, out);
        return out;
    }
};

/// What another process finds in a snapshot is the network that was packed into it: weights are not looked at
/// again.
TEST(Network, FoundInPackedBytesIsTheOneThatWasPacked) {
    for (const EncoderKernels* kernels : encoder_kernels()) {
        Packed packed(*kernels);
        PackedWeights refill = PackedWeights::filling(packed.memory.data());
        const Network filled(*kernels, packed.sizes, packed.weights, refill);
        const std::vector<float> wanted = packed.run(*kernels, filled, 4);
        PackedWeights reading = PackedWeights::reading(packed.memory.data());
        std::vector<float> inputs = packed.numbers;
        std::ranges::fill(packed.numbers, 77.0f);
        const Network found(*kernels, packed.sizes, packed.weights, reading);
        packed.numbers = inputs;
        EXPECT_EQ(packed.run(*kernels, found, 4), wanted) << kernels->name;
    }
}

TEST(Network, OfOnePositionDependsOnThatPositionAlone) {
    for (const EncoderKernels* kernels : encoder_kernels()) {
        const Packed packed(*kernels);
        PackedWeights reading = PackedWeights::reading(packed.memory.data());
        const Network network(*kernels, packed.sizes, packed.weights, reading);
        const auto one = packed.run(*kernels, network, 1), again = packed.run(*kernels, network, 1);
        EXPECT_EQ(one, again) << kernels->name;
        EXPECT_NE(one, packed.run(*kernels, network, 2)) << kernels->name;
        for (const float value : one) EXPECT_TRUE(std::isfinite(value)) << kernels->name;
    }
}

}  // namespace
}  // namespace seqrec
