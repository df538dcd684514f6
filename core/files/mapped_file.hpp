// Files mapped into memory: one read-only, one being written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace seqrec {

/// What tells one state of a file from another: whoever replaces, changes or cuts it changes this, and nobody
/// can set `changed_ns` back.
/// 区分文件的不同状态：替换、修改或截断都会改变它，changed_ns 无法被改回。
struct FileState {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0, modified_ns = 0, changed_ns = 0;

    bool operator==(const FileState&) const = default;
    /// The state of what is at `path` now; none when nothing can be seen there.
    /// path 处文件的当前状态；看不到文件则为空。
    static std::optional<FileState> of(const char* path);
};

/// A whole file mapped read-only and shared. Movable.
/// 整个文件的只读共享映射。可移动。
class MappedFile {
  public:
    MappedFile() = default;
    /// Maps `path`; Error 58030 when that fails.
    /// 映射 path；失败时抛出 Error 58030。
    explicit MappedFile(const std::string& path);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(address_), size()}; }
    /// The state of the file when it was mapped.
    /// 映射时文件的状态。
    const FileState& state() const { return state_; }
    /// Has the kernel read the whole file, without waiting for it.
    /// 让内核预读整个文件，不等待完成。
    void read_ahead() const;
    /// Brings `length` bytes from `begin` into memory and maps them; Error XX001 when they can't be read,
    /// where touching them would be a SIGBUS.
    /// 将一段内容读入内存并建立映射；无法读取时抛出 Error XX001，而不是在访问时触发 SIGBUS。
    void populate(std::size_t begin, std::size_t length) const;

  private:
    std::size_t size() const { return static_cast<std::size_t>(state_.size); }

    void* address_ = nullptr;
    FileState state_;
};

/// A file that is being written through a mapping, under a temporary name until `commit`. Movable.
/// 通过映射写入的新文件，commit 之前使用临时名称。可移动。
class NewFile {
  public:
    NewFile() = default;
    /// Reserves `size` bytes next to `path` and maps them; Error 53100 when the disk is full, else 58030.
    /// 在 path 旁预留 size 字节并映射；磁盘满时抛出 Error 53100，否则 58030。
    NewFile(const std::string& path, std::size_t size);
    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&& other) noexcept;
    ~NewFile();

    std::span<std::byte> bytes() const { return {static_cast<std::byte*>(address_), size_}; }
    /// Flushes the file to disk, gives it its final name and flushes its folder. Returns the state of the
    /// file under that name.
    /// 将文件刷盘，重命名为最终路径，再对目录刷盘。返回重命名后文件的状态。
    FileState commit();

  private:
    void abandon() noexcept;

    std::string path_, temporary_;
    int descriptor_ = -1;
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace seqrec
