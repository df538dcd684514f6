// From an id as text to its index and back, inside a mapped file: nothing is built when a file is opened.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/files/safetensors.hpp"
#include "core/poll.hpp"

namespace seqrec {

/// The key of the hash of ids. It is made from a model's version, a random uuid, so that whoever chooses ids
/// (a shop's customers, say) can't choose them to collide.
/// 由模型版本（随机 uuid）导出的哈希密钥，使能够自选 id 的人无法构造碰撞。
struct IdHashKey {
    std::uint64_t k0 = 0, k1 = 0;

    /// k0 = id_hash({0, 0}, version), k1 = id_hash({k0, 0}, version).
    static IdHashKey of_version(std::string_view version);
};

/// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one round a word, three at
/// the end) of an id's bytes. Part of the file format: it never changes.
/// id 字节的 SipHash-1-3。它是文件格式的一部分，永不改变。
std::uint64_t id_hash(const IdHashKey& key, std::string_view id);

/// The number whose decimal text an id is: no sign, no zero before other digits, at most 18 digits.
/// id 作为十进制文本所表示的数：无符号、无前导零、至多 18 位。
std::optional<std::int64_t> number_of_id(std::string_view id);

/// Ids that are numbers lie in a table by their value, where a search is one look: `first` has the first entry. None where
/// there are no such ids, or too few between the least and the largest.
/// 数字 id 按数值直接查表，一次访问即得：首项对应 first。没有数字 id，或其间隔过稀时为空。
struct IdNumbers {
    std::int64_t first = 0, count = 0;

    /// For ids of which `numbers` are numbers, from `least` to `most`.
    static IdNumbers between(std::int64_t numbers, std::int64_t least, std::int64_t most);
};

/// A read-only index over three tensors: `PREFIX.id.offsets` (I64 [n+1]), `PREFIX.id.bytes` (U8) and
/// `PREFIX.id.hash` (U32, a power of two: an open-addressing table of index + 1, 0 = empty). An id's search
/// starts at slot `id_hash & (slots - 1)` and goes on to the next slot; the key is the one of the file's
/// metadata `version`. A file may have two more, `PREFIX.id.number` (I32, an index or -1) and `PREFIX.id.number.first` (I64
/// [1]): IdNumbers, of all ids that are numbers.
/// 建立在三个张量之上的只读索引：偏移、字节与开放寻址哈希表（下标 + 1，0 表示空）。
/// 从槽 id_hash & (槽数 - 1) 开始线性探测，密钥由文件元数据 version 导出。
class IdIndex {
  public:
    IdIndex() = default;
    /// The index of `prefix` ("item" or "user") in a file; Error (data corrupted) when a tensor is missing or
    /// inconsistent. Offsets are checked when used, in constant time, so that opening stays cheap.
    /// 文件中 prefix（"item" 或 "user"）的索引；张量缺失或不一致时抛出 Error（数据损坏）。
    /// 偏移在使用时以常数时间检查，因此打开很快。
    IdIndex(const SafetensorsFile& file, std::string_view prefix);

    std::int64_t size() const { return size_; }
    /// The index of an id, or -1. Error (data corrupted) when the search meets bytes that no writer leaves;
    /// it takes at most kMaxProbes steps.
    /// id 的下标，没有则为 -1。遇到损坏的内容抛出 Error（数据损坏），至多探测 kMaxProbes 步。
    std::int32_t find(std::string_view id) const;
    /// find() of each id, several at a time: memory is asked for all of them before it is read for the first.
    /// 对每个 id 执行 find()，成批预取内存。
    void find_all(std::span<const std::string_view> ids, std::span<std::int32_t> found) const;
    /// find() of the decimal text of each number.
    /// 对每个数的十进制文本执行 find()。
    void find_all(std::span<const std::int64_t> numbers, std::span<std::int32_t> found) const;
    /// The id at an index; Error (data corrupted) outside [0, size) or when its offsets leave the file.
    /// 下标处的 id；下标不在 [0, size) 内或偏移越界时抛出 Error（数据损坏）。
    std::string_view id(std::int32_t index) const;

    /// Slots of a table for n ids: a power of two, at most two thirds full.
    /// n 个 id 所需的槽数（2 的幂）。
    static std::int64_t table_size(std::int64_t n);
    /// Fills `table` for the ids given by offsets and bytes. Error (data corrupted) on a duplicate id.
    /// 为 offsets 与 bytes 给出的 id 填充 table。id 重复时抛出 Error（数据损坏）。
    static void build(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                      std::span<std::uint32_t> table, const IdHashKey& key = {}, const Poll& poll = {});

    /// The longest search. At two thirds full the longest run of 2^31 random ids is a few hundred slots, so
    /// only a file that was tampered with gets here.
    /// 最长探测步数；正常文件远小于此值。
    static constexpr int kMaxProbes = 4096;

    /// Fills what IdNumbers wants, given beforehand: `numbers[n - first]` is the index of n's text, or -1. Error (data
    /// corrupted) when an id is a number outside.
    /// 填充 IdNumbers 的表；有数字 id 不在范围内时抛出 Error（数据损坏）。
    static void build_numbers(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                              std::int64_t first, std::span<std::int32_t> numbers);

  private:
    std::int32_t find_number(std::int64_t number) const;
    std::int32_t find_text(std::string_view id) const;
    void find_texts(std::span<const std::string_view> ids, std::span<std::int32_t> found) const;
    void find_numbers(std::span<const std::int64_t> numbers, std::span<std::int32_t> found) const;
    void prefetch(std::span<const std::size_t> slots) const;

    std::span<const std::int64_t> offsets_;
    std::span<const std::uint8_t> bytes_;
    std::span<const std::uint32_t> table_;
    std::span<const std::int32_t> numbers_;  // empty: none
    std::int64_t first_number_ = 0;
    std::int64_t size_ = 0;
    IdHashKey key_;
};

}  // namespace seqrec
