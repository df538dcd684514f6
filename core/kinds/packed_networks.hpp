// A kind's networks over packed weights, which a snapshot holds so that all processes share them.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/files/safetensors.hpp"
#include "core/kinds/encoder.hpp"
#include "core/kinds/kind.hpp"
#include "core/kinds/transformer_network.hpp"

namespace seqrec {

/// The networks of one model, of one size, as its file has their weights.
/// 一个模型中大小相同的各网络，其权重如文件所存。
struct NetworksOfModel {
    NetworkSizes sizes;
    std::vector<NetworkWeights> weights;
};

/// The tensors of a model file, as whoever reads networks asks for them.
/// 模型文件中的张量，供读取网络之用。
TensorSource tensors_of(const SafetensorsFile& file);

/// The name under which a snapshot holds weights that were packed for some kernels.
/// 快照中为某组内核打包的权重的名称。
std::string packed_name(const EncoderKernels& kernels);
/// How many bytes the packed weights take; only the lengths of the weights count.
/// 打包后的字节数，只取决于权重的长度。
std::size_t packed_size(const EncoderKernels& kernels, const NetworksOfModel& of);
/// Packs into as many bytes as packed_size() says. 打包到 packed_size() 所述大小的内存。
void pack_networks(const EncoderKernels& kernels, const NetworksOfModel& of, std::span<std::byte> to);

/// Networks over weights packed for one set of kernels.
/// 基于为某组内核打包的权重的各网络。
struct PackedNetworks {
    const EncoderKernels& kernels;
    AlignedMemory memory{};  ///< empty where the file holds the packed weights
    std::vector<Network> networks{};
};

/// A model's networks at both precisions. Packed weights that the file holds for the kernels are used as they are, else packed in
/// memory: at once for fast answers, when first asked for exact ones, which most processes never do. The file must outlive it.
/// 两种精度下的各网络：文件中有为该内核打包的权重则直接使用，否则在内存中打包（精确的在首次需要时）。文件须比它存活更久。
class NetworksByPrecision {
  public:
    /// Error XX001 for packed weights of another size. 打包权重大小不符时抛出 Error XX001。
    NetworksByPrecision(const SafetensorsFile& file, NetworksOfModel of, const EncoderKernels& fast,
                        const EncoderKernels& exact);
    const PackedNetworks& at(Precision precision) const;

  private:
    const SafetensorsFile& file_;
    const NetworksOfModel of_;
    const PackedNetworks fast_;
    const EncoderKernels& exact_kernels_;
    mutable std::once_flag exact_once_{};
    mutable std::optional<const PackedNetworks> exact_{};
};

/// Reads the networks of a model that is described by a config. Error XX001 where it is not valid.
/// 读取 config 所描述的模型的网络；无效时抛出 Error XX001。
using ReadNetworks = NetworksOfModel (*)(const std::string& config, const TensorSource& tensors);

/// What a snapshot holds for the fastest kernels of this machine, of a kind whose networks are so read.
/// 以此方式读取网络的类型，其快照中为本机最快内核所存的内容。
template <ReadNetworks read>
inline constexpr Packing kPackingOf = {
    [] { return packed_name(fastest_encoder_kernels(false)); },
    [](const std::string& config, const TensorSource& tensors) {
        return packed_size(fastest_encoder_kernels(false), read(config, tensors));
    },
    [](const std::string& config, const TensorSource& tensors, std::span<std::byte> to) {
        pack_networks(fastest_encoder_kernels(false), read(config, tensors), to);
    }};

}  // namespace seqrec
