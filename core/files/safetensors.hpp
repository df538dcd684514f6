// safetensors, the only file format of seqrec: dataset, model, snapshot and export are all such files.
//
// Layout: u64 little-endian header length, a JSON header, raw little-endian tensors. Every tensor that seqrec
// writes starts at a multiple of 64 bytes; tensors named "pad.N" fill the gaps, because the format allows
// none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/files/mapped_file.hpp"
#include "core/poll.hpp"

namespace seqrec {

enum class DType : std::uint8_t { U8, I8, BF16, I32, U32, F32, I64, U64, F64, F16 };

/// Size of one element in bytes.
/// 单个元素的字节数。
std::size_t element_size(DType dtype);
/// The format's name of a type, such as "F32".
/// 类型在文件格式中的名称，例如 "F32"。
std::string_view dtype_name(DType dtype);
/// The type of a name; Error (data corrupted) when there is none.
/// 由名称得到类型；未知名称抛出 Error（数据损坏）。
DType parse_dtype(std::string_view name);

template <typename T>
inline constexpr DType dtype_of = [] {
    static_assert(sizeof(T) == 0, "no tensor type for this C++ type");
    return DType::U8;
}();
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::U8;
template <>
inline constexpr DType dtype_of<std::int8_t> = DType::I8;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::I32;
template <>
inline constexpr DType dtype_of<std::uint32_t> = DType::U32;
template <>
inline constexpr DType dtype_of<float> = DType::F32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::I64;
template <>
inline constexpr DType dtype_of<std::uint64_t> = DType::U64;
template <>
inline constexpr DType dtype_of<double> = DType::F64;

using Shape = std::vector<std::int64_t>;

/// One tensor inside a mapped file; `bytes` lives as long as the file object.
/// 映射文件中的一个张量；bytes 的生命周期与文件对象相同。
struct Tensor {
    DType dtype;
    Shape shape;
    std::span<const std::byte> bytes;
};

/// A safetensors file mapped read-only. Every offset, length and shape is checked when it is opened, so that
/// no later access can leave the file. Movable, not copyable.
/// 以只读方式映射的 safetensors 文件。打开时检查所有偏移、长度与形状，之后的访问不会越界。可移动，不可复制。
class SafetensorsFile {
  public:
    /// Opens and checks a file. Errors: I/O (58030) when it can't be opened, data corrupted (XX001)
    /// otherwise.
    /// Files that other programs wrote may have tensors at any place: `aligned` false takes them, and they must be
    /// copied before use.
    /// 打开并检查文件。错误：无法打开为 I/O (58030)，其余为数据损坏 (XX001)。
    /// 其他程序写的文件中张量可能未对齐：aligned 为 false 时接受，但使用前须复制。
    static SafetensorsFile open(const std::string& path, bool aligned = true);

    const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }
    const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }

    bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
    /// The tensor of a name; Error (data corrupted) when it is missing.
    /// 按名称取张量；缺失时抛出 Error（数据损坏）。
    const Tensor& tensor(std::string_view name) const;
    /// The metadata value of a key; Error when it is missing.
    /// 按键取元数据；缺失时抛出 Error。
    const std::string& meta(std::string_view key) const;

    /// Elements of a tensor whose type is T and whose shape equals `shape`, -1 matching any length.
    /// 元素类型为 T 且形状等于 shape 的张量数据；-1 匹配任意长度。
    template <typename T>
    std::span<const T> get(std::string_view name, const Shape& shape) const {
        const Tensor& found = checked(name, dtype_of<T>, shape);
        return {reinterpret_cast<const T*>(found.bytes.data()), found.bytes.size() / sizeof(T)};
    }

    std::size_t size() const { return file_.bytes().size(); }
    const MappedFile& mapped() const { return file_; }

    /// Reads the whole file and compares it with its tensor `checksum`; Error (data corrupted) when a byte
    /// differs or the tensor is missing. `poll` is called every MiB.
    /// 读取整个文件并与其中的 checksum 张量比对；有任何字节不同或缺少该张量时抛出 Error（数据损坏）。
    /// 每 MiB 调用一次 poll。
    void verify(const Poll& poll = {}) const;

  private:
    const Tensor& checked(std::string_view name, DType dtype, const Shape& shape) const;

    MappedFile file_;
    std::size_t data_start_ = 0;
    std::map<std::string, Tensor, std::less<>> tensors_;
    std::map<std::string, std::string, std::less<>> metadata_;
};

/// Writes a safetensors file of declared shapes: declare all tensors, `create` the file, fill the spans it
/// hands out, `commit`. The file appears under its name only when it is whole (temporary name, fsync,
/// rename); a writer destroyed before commit leaves nothing behind. Disk space is reserved first, so that a
/// full disk is an Error (53100) and not a bus error.
/// 写出形状已知的 safetensors 文件：先声明张量，再 create，填充 span，最后 commit。
/// 只有完整的文件才会以正式名称出现；未提交就析构则不留痕迹。磁盘空间预先分配，磁盘满时抛出 Error (53100)。
class SafetensorsWriter {
  public:
    void set_metadata(std::string key, std::string value) { metadata_[std::move(key)] = std::move(value); }
    void declare(std::string name, DType dtype, Shape shape);
    template <typename T>
    void declare(std::string name, Shape shape) {
        declare(std::move(name), dtype_of<T>, std::move(shape));
    }

    /// Whether a tensor of this name, type and shape has been declared.
    /// 是否已声明此名称、类型与形状的张量。
    bool declares(std::string_view name, DType dtype, const Shape& shape) const;

    /// Ends the file with the tensor `checksum` (U64): XXH3 of the header, then of each MiB of data before
    /// it. commit fills it in.
    /// 文件以 checksum 张量结尾：文件头与其前每 MiB 数据的 XXH3，由 commit 填写。
    void end_with_checksum() { with_checksum_ = true; }

    /// Reserves the file next to its final path and maps it for writing.
    /// 在目标路径旁预留并映射文件以供写入。
    void create(const std::string& path);

    std::span<std::byte> bytes(std::string_view name);
    template <typename T>
    std::span<T> data(std::string_view name) {
        std::span<std::byte> raw = bytes(name);
        return {reinterpret_cast<T*>(raw.data()), raw.size() / sizeof(T)};
    }

    /// Flushes to disk and renames to the final path; `poll` is called every MiB of a checksum. Returns the
    /// file's state.
    /// 刷盘并重命名为最终路径；计算校验和时每 MiB 调用一次 poll。返回文件的状态。
    FileState commit(const Poll& poll = {});

  private:
    struct Slot {
        std::string name;
        DType dtype;
        Shape shape;
        std::size_t begin = 0, end = 0;
    };
    std::string layout();
    void fill_checksum(const Poll& poll);

    std::vector<Slot> slots_;
    bool with_checksum_ = false;
    std::map<std::string, std::string> metadata_;
    NewFile file_;
    std::size_t data_start_ = 0;
};

}  // namespace seqrec
