// Ids as rows hold them, and the map from ids to indexes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/files/id_index.hpp"

namespace seqrec {

using Uuid = std::array<std::uint8_t, 16>;

/// An id as a row holds it: numbers and uuids become text once, when they are new. Plain data; text belongs
/// to the caller.
/// 行中的 id；数字与 uuid 只在首次出现时转为文本。文本归调用者所有。
using Id = std::variant<std::string_view, std::int64_t, Uuid>;
static_assert(std::is_trivially_destructible_v<Id>);  // may live where PostgreSQL's errors jump past

/// The id as the dataset file has it: decimal digits, a uuid's 36 characters, or the text itself.
/// 数据集文件中的 id 文本：十进制数字、36 个字符的 uuid 或文本本身。
std::string id_text(const Id& id);

/// The longest id that a dataset takes.
/// 数据集接受的最长 id。
inline constexpr std::size_t kMostIdBytes = 512;
/// The most users and the most items of a dataset: indexes have 31 bits.
/// 数据集的用户数与物品数上限：下标为 31 位。
inline constexpr std::int64_t kMostIds = 2147483646;

/// Error 54000 when `count` is `most` already; `what` in the plural.
/// count 已达 most 时抛出 Error 54000；what 为复数名词。
void check_room(std::int64_t count, std::int64_t most, const char* what);

/// From keys of a fixed size, with their hashes, to indexes; grows by doubling, at most half full. A search
/// reads one place in memory, where one by text reads three.
/// 定长键（连同散列值）到下标的散列表，倍增扩容，至多半满；查找只访问一处内存。
template <typename Key>
class KeyMap {
  public:
    explicit KeyMap(const IdHashKey& hash_key) : hash_key_(hash_key) {}
    /// The hash that the other functions take.
    /// 其余函数所需的散列值。
    std::uint64_t hash(const Key& key) const;
    /// The index of a key, or -1.
    /// 键的下标，没有则为 -1。
    std::int32_t find(const Key& key, std::uint64_t hash) const;
    /// Adds a key that is not there.
    /// 添加一个尚不存在的键。
    void insert(const Key& key, std::uint64_t hash, std::int32_t index);
    /// Asks the processor for the memory that find() will read.
    /// 预取 find() 将读取的内存。
    void prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }

  private:
    struct Slot {
        Key key;
        std::uint32_t entry;  // index + 1, 0 = empty
    };

    std::size_t slot_of(const Key& key, std::uint64_t hash) const;
    void grow();

    IdHashKey hash_key_;
    std::size_t size_ = 0;
    std::vector<Slot> slots_ = std::vector<Slot>(16);
};

/// Ids in order of first appearance; grows by doubling. About 16 bytes an id beside its text, and 48 more
/// when ids are numbers.
/// 按首次出现顺序编号的 id 表，倍增扩容；除文本外每个 id 约 16 字节，数字 id 另加 48 字节。
class IdMap {
  public:
    /// A search that has begun: until it is finished, memory is on its way.
    /// 已开始的查找；完成之前内存正在预取。
    struct Search {
        Id id;
        std::uint64_t hash;
    };

    /// Takes `most` ids, of what `what` says in the plural.
    /// 至多容纳 most 个 id；what 为其复数名称。
    explicit IdMap(std::int64_t most = kMostIds, const char* what = "items");
    /// The index of an id, new ones at the end. The same text is the same id, whatever it came as. Error
    /// 54000 when there are too many.
    /// id 的下标，新的追加在末尾；文本相同即为同一 id。过多时抛出 Error 54000。
    std::int32_t index_of(const Id& id) { return finish(begin(id)); }
    /// index_of in two steps, so that searches can overlap.
    /// 将 index_of 分为两步，使多次查找得以重叠。
    Search begin(const Id& id) const;
    std::int32_t finish(const Search& search);
    std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::string_view id(std::int32_t index) const;
    std::span<const std::int64_t> offsets() const { return offsets_; }
    std::span<const char> bytes() const { return bytes_; }

  private:
    std::int32_t index_of_text(std::string_view id, std::uint64_t hash);
    template <typename Key>
    std::int32_t index_of_key(KeyMap<Key>& map, const Key& key, std::uint64_t hash);
    void grow();
    std::size_t slot_of(std::string_view id, std::uint64_t hash) const;

    std::int64_t most_;
    const char* what_;
    IdHashKey key_;  // drawn anew each time: whoever chooses ids can't choose them to collide
    std::vector<std::int64_t> offsets_{0};
    std::vector<char> bytes_;
    std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1024);  // index + 1, 0 = empty
    KeyMap<std::int64_t> numbers_;
    KeyMap<Uuid> uuids_;
};

}  // namespace seqrec
