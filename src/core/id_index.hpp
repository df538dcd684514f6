// From an id as text to its index and back, inside a mapped file: nothing is built when a file is opened.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/safetensors.hpp"

namespace seqrec {

/// A read-only index over three tensors: `PREFIX.id.offsets` (I64 [n+1]), `PREFIX.id.bytes` (U8) and
/// `PREFIX.id.hash` (U32, a power of two: an open-addressing table of index + 1, 0 = empty).
/// 建立在三个张量之上的只读索引：偏移、字节与开放寻址哈希表（下标 + 1，0 表示空）。
class IdIndex {
  public:
    IdIndex() = default;
    /// The index of `prefix` ("item" or "user") in a file; Error (data corrupted) when a tensor is missing or
    /// inconsistent. Offsets are checked when used, in constant time, so that opening stays cheap.
    IdIndex(const SafetensorsFile& file, std::string_view prefix);

    std::int64_t size() const { return size_; }
    /// The index of an id, or -1. id 的下标，没有则为 -1。
    std::int32_t find(std::string_view id) const;
    /// The id at an index in [0, size). 下标处的 id。
    std::string_view id(std::int32_t index) const;

    /// Slots of a table for n ids: a power of two, at most two thirds full. n 个 id 所需的槽数（2 的幂）。
    static std::int64_t table_size(std::int64_t n);
    /// Fills `table` for the ids given by offsets and bytes. Error (data corrupted) on a duplicate id.
    static void build(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                      std::span<std::uint32_t> table);

  private:
    std::span<const std::int64_t> offsets_;
    std::span<const std::uint8_t> bytes_;
    std::span<const std::uint32_t> table_;
    std::int64_t size_ = 0;
};

}  // namespace seqrec
