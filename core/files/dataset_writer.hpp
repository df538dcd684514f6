// The dataset file: interactions in user and time order, with the ids they came with.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/files/id_index.hpp"
#include "core/files/safetensors.hpp"

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

    /// Takes `most` ids.
    /// 至多容纳 most 个 id。
    explicit IdMap(std::int64_t most = kMostIds);
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
    IdHashKey key_;  // drawn anew each time: whoever chooses ids can't choose them to collide
    std::vector<std::int64_t> offsets_{0};
    std::vector<char> bytes_;
    std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1024);  // index + 1, 0 = empty
    KeyMap<std::int64_t> numbers_;
    KeyMap<Uuid> uuids_;
};

/// A column whose length is not known yet, kept in an unnamed temporary file.
/// 长度未知的列，暂存于匿名临时文件。
class SpoolColumn {
  public:
    explicit SpoolColumn(const std::string& folder);
    void append(const void* data, std::size_t size);
    /// Appends one value of plain data: what happens for every row.
    /// 追加一个值；每行都会调用。
    template <typename T>
    void put(T value) {
        if (used_ + sizeof value > buffer_.size()) flush();
        std::memcpy(buffer_.data() + used_, &value, sizeof value);
        used_ += sizeof value;
    }
    std::size_t size() const { return written_ + used_; }
    /// Copies the whole column to `target`, which has size() bytes.
    /// 将整列复制到 target。
    void copy_to(std::span<std::byte> target);

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    void write(const void* data, std::size_t size);
    void flush();

    std::unique_ptr<std::FILE, Close> file_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(1 << 16);
    std::size_t used_ = 0, written_ = 0;
};

/// Writes a dataset file from a stream of interactions sorted by user, then time. Only the items' ids are
/// kept in memory; everything else is spooled beside the file.
/// 由按用户、时间排序的交互流写出数据集文件。内存中只保存物品 id，其余写入临时文件。
class DatasetWriter {
  public:
    struct Counts {
        std::int64_t users, items, interactions;
    };

    /// `folder` holds the temporary files; `most` users and as many items are taken.
    /// folder 用于存放临时文件；用户与物品各至多 most 个。
    explicit DatasetWriter(const std::string& folder, std::int64_t most = kMostIds);

    /// An entry of the file's metadata, beside `format`.
    /// 文件元数据中的一项（format 除外）。
    void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }
    /// Starts the next user; every user comes once. Error 54000 when the id is longer than kMostIdBytes or
    /// there are too many users.
    /// 开始下一个用户；每个用户只出现一次。id 超过 kMostIdBytes 字节或用户过多时抛出 Error 54000。
    void begin_user(const Id& id);
    /// One interaction of the current user; `time` in seconds, or the number the table has. Error 54000 when
    /// the id is longer than kMostIdBytes or there are too many items, which may show some calls later.
    /// 当前用户的一次交互；time 为秒，或表中的原始数值。id 超过 kMostIdBytes
    /// 字节或物品过多（可能稍后才发现）时抛出 Error 54000。
    void interaction(const Id& item, double time);
    const Counts& counts() const { return counts_; }
    /// Writes the file, which then survives a power loss. Errors: 53100 on a full disk, 58030 on other I/O.
    /// 写出文件并刷盘，断电后仍然完好。错误：53100（磁盘满）、58030（其他 I/O）。
    void write(const std::string& path);

  private:
    void finish_searches();

    std::int64_t most_users_;
    Counts counts_{0, 0, 0};
    std::map<std::string, std::string> metadata_;
    IdMap items_;
    std::vector<IdMap::Search> searches_;  // of the last interactions' items
    SpoolColumn user_offsets_, user_id_offsets_, user_id_bytes_, event_items_, event_times_;
};

}  // namespace seqrec
