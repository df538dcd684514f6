// A column of a file whose length is not known yet.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace seqrec {

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
    /// Copies what begins at byte `start` to `target`; all of it has been appended.
    /// 将自 start 字节起的内容复制到 target；内容须均已追加。
    void copy_part(std::size_t start, std::span<std::byte> target);

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

}  // namespace seqrec
