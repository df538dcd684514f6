// The dataset's columns of what items say of themselves: a text each, a vector each. Rows come in an order of their own and
// are written in the dataset's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/safetensors.hpp"
#include "core/files/spool_column.hpp"

namespace seqrec {

/// The longest text of an item, in bytes; who fills the column cuts longer ones.
/// 一个物品文本的最大字节数；更长的由填列者截断。
inline constexpr std::size_t kMostItemTextBytes = 8192;
/// The widest vector of an item.
/// 物品向量的最大维数。
inline constexpr std::size_t kMostVectorWidth = 8192;

/// Text of at most `most` bytes, and no part of a character.
/// 至多 most 字节的文本，不截断字符。
std::string_view beginning(std::string_view text, std::size_t most);

/// Whether a tensor of a model file is what it keeps of its items' content for the next training or refresh (`item.listed`,
/// `item.text.…`): stored as weights are.
/// 模型文件中的张量是否为其保存的物品内容（供下次训练或刷新使用），与权重一样存储。
inline bool is_kept_content(std::string_view name) {
    return name == "item.listed" || name.starts_with("item.text.");
}

/// A text of each index, spooled; an index without one has the empty text.
/// 每个下标的文本，暂存于文件；没有者为空文本。
class TextColumn {
  public:
    explicit TextColumn(const std::string& folder) : bytes_(folder) {}
    /// Each index once at most.
    /// 每个下标至多一次。
    void put(std::int32_t index, std::string_view text);
    void declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t count) const;
    void write(SafetensorsWriter& writer, const std::string& prefix);

  private:
    struct Place {
        std::size_t start, size;
    };

    SpoolColumn bytes_;
    std::vector<Place> places_;  // by index
};

/// A vector of each index, spooled, all of one width; an index without one has NaN in every place. Without any vector there is no
/// tensor.
/// 每个下标的向量，暂存于文件，维数相同；没有者全为 NaN。一个向量都没有时不写张量。
class VectorColumn {
  public:
    explicit VectorColumn(const std::string& folder) : values_(folder) {}
    /// False, and nothing is put, when it is not as wide as the first one.
    /// 与第一个向量维数不同时返回 false，且不存入。
    bool put(std::int32_t index, std::span<const float> vector);
    /// Of the vectors, 0 while there is none.
    /// 向量的维数；尚无时为 0。
    std::size_t width() const { return width_; }
    void declare(SafetensorsWriter& writer, const std::string& name, std::int64_t count) const;
    void write(SafetensorsWriter& writer, const std::string& name);

  private:
    SpoolColumn values_;
    std::size_t width_ = 0;
    std::int64_t rows_ = 0;
    std::vector<std::int64_t> places_;  // by index the row, -1 for none
};

}  // namespace seqrec
