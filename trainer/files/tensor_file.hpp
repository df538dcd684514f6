// Tensors to and from safetensors files.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/safetensors.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// A tensor under the name that it has in a file.
/// 文件中带名称的张量。
struct NamedTensor {
    std::string name;
    at::Tensor tensor;
};

/// Writes float32, float64, int32 and int64 tensors to a file that appears under `path` only when it is
/// whole, and ends with the tensor `checksum` that SafetensorsFile::verify reads. A signal to stop leaves nothing behind.
/// Errors: 53100 (disk full), 58030.
/// 将张量写入文件；只有完整时才以 path 出现，末尾为 SafetensorsFile::verify 所读的 checksum 张量，
/// 收到停止信号则不留痕迹。错误：53100（磁盘满）、58030。
void write_tensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                   const std::vector<NamedTensor>& tensors);

/// A copy of one tensor; Error XX001 when the file does not have it.
/// 张量的副本；文件中没有则抛出 Error XX001。
at::Tensor read_tensor(const SafetensorsFile& file, std::string_view name);

/// Error XX001, which names the tensor, when a number is not finite.
/// 有非有限数时抛出 Error XX001，并指明张量。
void check_finite(std::span<const float> numbers, std::string_view name);

}  // namespace seqrec::trainer
