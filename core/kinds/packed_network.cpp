#include "core/kinds/packed_network.hpp"

#include <cstdint>

#include "core/error.hpp"
#include "core/kinds/model_config.hpp"

namespace seqrec {
namespace {

/// Null where the file holds none.
const std::byte* packed_in(const SafetensorsFile& file, const std::string& name, std::size_t size) {
    if (!file.contains(name)) return nullptr;
    const auto& bytes = file.tensor(name).bytes;
    if (bytes.size() != size || reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 != 0)
        corrupted_model(name + " has a wrong size or place");
    return bytes.data();
}

}  // namespace

std::string packed_name(const EncoderKernels& kernels) {
    return "encoder.packed." + std::string(kernels.name) + "." + std::to_string(kPackedLayout);
}

std::size_t packed_size(const EncoderKernels& kernels, const NetworkSizes& sizes,
                        const NetworkWeights& weights) {
    PackedWeights measure;
    const Network measured(kernels, sizes, weights, measure);
    return measure.used();
}

void pack_network(const EncoderKernels& kernels, const NetworkSizes& sizes, const NetworkWeights& weights,
                  std::span<std::byte> to) {
    if (to.size() != packed_size(kernels, sizes, weights))
        throw Error(sqlstate::kInternal, "packed weights need another size");
    PackedWeights packed = PackedWeights::filling(to.data());
    const Network filled(kernels, sizes, weights, packed);
}

PackedNetwork::PackedNetwork(const SafetensorsFile& file, const EncoderKernels& k, const NetworkSizes& sizes,
                             const NetworkWeights& weights)
    : kernels(k) {
    const std::size_t size = packed_size(k, sizes, weights);
    const std::byte* ready = packed_in(file, packed_name(k), size);
    if (!ready) memory_ = AlignedMemory(size);
    PackedWeights packed = ready ? PackedWeights::reading(ready) : PackedWeights::filling(memory_.data());
    network_.emplace(k, sizes, weights, packed);
}

}  // namespace seqrec
