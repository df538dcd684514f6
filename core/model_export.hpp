// A model as files that other programs read: made in memory, their sizes known before.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/id_index.hpp"
#include "core/files/safetensors.hpp"
#include "core/files/snapshot.hpp"

namespace seqrec {

/// Some tensors as a safetensors file.
/// 由若干张量构成的 safetensors 文件。
class SafetensorsImage {
  public:
    /// What the tensors' bytes are in must outlive it. Without padding: tensors of large elements come first, so that
    /// each is aligned.
    /// 张量字节所在之处须长于本对象。无填充：元素较大者在前，使各张量对齐。
    SafetensorsImage(const std::map<std::string, std::string>& metadata,
                     std::vector<std::pair<std::string, Tensor>> tensors);

    std::size_t size() const;
    /// Writes size() bytes.
    /// 写入 size() 字节。
    void write(std::span<std::byte> to) const;

  private:
    std::vector<std::pair<std::string, Tensor>> tensors_;
    std::string header_;  // with its length before it
};

/// The header of a NumPy 1.0 file of float32, [rows, columns], little-endian, row by row, which follow it.
/// NumPy 1.0 文件头，其后为 float32 小端、按行存放的 [rows, columns]。
std::string npy_header(std::int64_t rows, std::int64_t columns);

/// Writes the vectors that scores are made with, row after row: of unit length where scores are cosines.
/// 逐行写入计分所用的向量；得分为余弦时为单位长度。
void write_item_vectors(const Snapshot& snapshot, std::span<std::byte> to);

/// A JSON object from each id to its index, in UTF-8. `to_utf8` turns an id into that. Error 22021 where the result
/// is not.
/// 从 id 到下标的 JSON 对象（UTF-8）；无法表示时抛出 Error 22021。
std::string id_map_json(const IdIndex& ids, std::string (*to_utf8)(std::string_view));

}  // namespace seqrec
