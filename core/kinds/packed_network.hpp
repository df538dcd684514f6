// A kind's one network over packed weights, which a snapshot holds so that all processes share them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "core/files/safetensors.hpp"
#include "core/kinds/transformer_network.hpp"

namespace seqrec {

/// The name under which a snapshot holds weights that were packed for some kernels.
/// 快照中为某组内核打包的权重的名称。
std::string packed_name(const EncoderKernels& kernels);
/// How many bytes a network's packed weights take; only the lengths of `weights` count.
/// 网络打包后的字节数，只取决于 weights 的长度。
std::size_t packed_size(const EncoderKernels& kernels, const NetworkSizes& sizes,
                        const NetworkWeights& weights);
/// Packs into as many bytes as packed_size() says. 打包到 packed_size() 所述大小的内存。
void pack_network(const EncoderKernels& kernels, const NetworkSizes& sizes, const NetworkWeights& weights,
                  std::span<std::byte> to);

/// A network over weights packed for one set of kernels: those that the file holds, or packed in memory where it holds none for
/// these. The file must outlive it.
/// 基于为某组内核打包的权重的网络：文件中有则直接使用，否则在内存中打包。文件须比它存活更久。
struct PackedNetwork {
    const EncoderKernels& kernels;

    /// Error XX001 for packed weights of another size. 打包权重大小不符时抛出 Error XX001。
    PackedNetwork(const SafetensorsFile& file, const EncoderKernels& kernels, const NetworkSizes& sizes,
                  const NetworkWeights& weights);
    const Network& network() const { return *network_; }

  private:
    AlignedMemory memory_;
    std::optional<Network> network_;
};

}  // namespace seqrec
