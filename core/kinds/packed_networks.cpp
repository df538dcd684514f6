#include "core/kinds/packed_networks.hpp"

#include <cstdint>
#include <utility>

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

std::vector<Network> networks_over(const EncoderKernels& kernels, const NetworksOfModel& of,
                                   PackedWeights packed) {
    std::vector<Network> networks;
    for (const NetworkWeights& weights : of.weights)
        networks.emplace_back(kernels, of.sizes, weights, packed);
    return networks;
}

PackedNetworks open_networks(const SafetensorsFile& file, const EncoderKernels& kernels,
                             const NetworksOfModel& of) {
    const std::size_t size = packed_size(kernels, of);
    if (const std::byte* ready = packed_in(file, packed_name(kernels), size))
        return {.kernels = kernels, .networks = networks_over(kernels, of, PackedWeights::reading(ready))};
    PackedNetworks made{.kernels = kernels, .memory = AlignedMemory(size)};
    made.networks = networks_over(kernels, of, PackedWeights::filling(made.memory.data()));
    return made;
}

}  // namespace

TensorSource tensors_of(const SafetensorsFile& file) {
    return [&file](const std::string& name, const Shape& shape) { return file.get<float>(name, shape); };
}

std::string packed_name(const EncoderKernels& kernels) {
    return "encoder.packed." + std::string(kernels.name) + "." + std::to_string(kPackedLayout);
}

std::size_t packed_size(const EncoderKernels& kernels, const NetworksOfModel& of) {
    PackedWeights measure;
    for (const NetworkWeights& weights : of.weights) Network(kernels, of.sizes, weights, measure);
    return measure.used();
}

void pack_networks(const EncoderKernels& kernels, const NetworksOfModel& of, std::span<std::byte> to) {
    if (to.size() != packed_size(kernels, of))
        throw Error(sqlstate::kInternal, "packed weights need another size");
    networks_over(kernels, of, PackedWeights::filling(to.data()));
}

NetworksByPrecision::NetworksByPrecision(const SafetensorsFile& file, NetworksOfModel of,
                                         const EncoderKernels& fast, const EncoderKernels& exact)
    : file_(file), of_(std::move(of)), fast_(open_networks(file, fast, of_)), exact_kernels_(exact) {}

const PackedNetworks& NetworksByPrecision::at(Precision precision) const {
    if (precision == Precision::Fast || &fast_.kernels == &exact_kernels_) return fast_;
    std::call_once(exact_once_, [&] { exact_.emplace(open_networks(file_, exact_kernels_, of_)); });
    return *exact_;
}

}  // namespace seqrec
