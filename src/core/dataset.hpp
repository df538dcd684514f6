// The dataset file: interactions in user and time order, with the ids they came with.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/id_index.hpp"
#include "core/safetensors.hpp"

namespace seqrec {

/// Ids in order of first appearance; grows by doubling. About 16 bytes an id beside its text.
/// 按首次出现顺序编号的 id 表，倍增扩容；除文本外每个 id 约 16 字节。
class IdMap {
  public:
    IdMap();
    /// The index of an id, new ones at the end. Error 54000 past 2^31 - 2 ids.
    /// id 的下标，新的追加在末尾。超过 2^31 - 2 个时抛出 Error 54000。
    std::int32_t index_of(std::string_view id);
    std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::string_view id(std::int32_t index) const;
    std::span<const std::int64_t> offsets() const { return offsets_; }
    std::span<const char> bytes() const { return bytes_; }

  private:
    void grow();
    std::size_t slot_of(std::string_view id) const;

    IdHashKey key_;  // drawn anew each time: whoever chooses ids can't choose them to collide
    std::vector<std::int64_t> offsets_{0};
    std::vector<char> bytes_;
    std::vector<std::uint32_t> table_ = std::vector<std::uint32_t>(1024);  // index + 1, 0 = empty
};

/// A column whose length is not known yet, kept in an unnamed temporary file.
/// 长度未知的列，暂存于匿名临时文件。
class SpoolColumn {
  public:
    explicit SpoolColumn(const std::string& folder);
    void append(const void* data, std::size_t size);
    std::size_t size() const { return size_; }
    /// Copies the whole column to `target`, which has size() bytes. 将整列复制到 target。
    void copy_to(std::span<std::byte> target);

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::unique_ptr<std::FILE, Close> file_;
    std::size_t size_ = 0;
};

/// Writes a dataset file from a stream of interactions sorted by user, then time. Only the items' ids are
/// kept in memory; everything else is spooled beside the file.
/// 由按用户、时间排序的交互流写出数据集文件。内存中只保存物品 id，其余写入临时文件。
class DatasetWriter {
  public:
    struct Counts {
        std::int64_t users, items, interactions;
    };

    /// `folder` holds the temporary files. folder 用于存放临时文件。
    explicit DatasetWriter(const std::string& folder);

    /// Starts the next user; every user comes once. 开始下一个用户；每个用户只出现一次。
    void begin_user(std::string_view id);
    /// One interaction of the current user; `time` in seconds, or the number the table has.
    /// 当前用户的一次交互；time 为秒，或表中的原始数值。
    void interaction(std::string_view item, double time);
    const Counts& counts() const { return counts_; }
    /// Writes the file. Errors: 53100 on a full disk, 58030 on other I/O. 写出文件。
    void write(const std::string& path);

  private:
    Counts counts_{0, 0, 0};
    IdMap items_;
    SpoolColumn user_offsets_, user_id_offsets_, user_id_bytes_, event_items_, event_times_;
};

}  // namespace seqrec
