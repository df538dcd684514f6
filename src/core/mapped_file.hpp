// Files mapped into memory: one read-only, one being written.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace seqrec {

/// A whole file mapped read-only and shared. Movable. 整个文件的只读共享映射。可移动。
class MappedFile {
  public:
    MappedFile() = default;
    /// Maps `path`; Error 58030 when that fails. 映射 path；失败时抛出 Error 58030。
    explicit MappedFile(const std::string& path);
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(address_), size_}; }

  private:
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

/// Whether a file must survive a crash of the machine. 文件是否须在机器崩溃后仍然完好。
enum class Durability { Durable, Scratch };

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
    /// Gives the file its final name; a durable one is flushed to disk before, and its folder after.
    /// 重命名为最终路径；Durable 时先刷盘，随后对目录 fsync。
    void commit(Durability durability = Durability::Durable);

  private:
    void abandon() noexcept;

    std::string path_, temporary_;
    int descriptor_ = -1;
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace seqrec
