// What a model says of its features in numbers, for kinds that have them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/files/safetensors.hpp"

namespace seqrec {

/// One coefficient; texts are UTF-8 and live as long as the file.
/// 一个系数；文本为 UTF-8，生命周期与文件相同。
struct Coefficient {
    std::string_view feature;
    std::string_view value;  ///< of the feature; empty where it has none
    float weight;
    float error;        ///< the standard error; NaN when it is not known
    std::int64_t rows;  ///< of the training, in which the feature has this value
};

/// The coefficients in a model file or snapshot, of whatever kind: `coefficient.feature.offsets`,
/// `coefficient.value.offsets` I64 [P + 1], `coefficient.feature.bytes`, `coefficient.value.bytes` U8,
/// `coefficient.weight`, `coefficient.error` F32 [P], `coefficient.rows` I64 [P].
/// 模型文件或快照中的系数，与类型无关。
class Coefficients {
  public:
    /// Those of a file that must outlive them; nothing when it has none. Error (data corrupted) when a tensor
    /// is missing or of another shape.
    /// 读取文件中的系数（文件须长于本对象）；没有则返回空。张量缺失或形状不符时抛出 Error（数据损坏）。
    static std::optional<Coefficients> of(const SafetensorsFile& file);

    std::int64_t size() const { return static_cast<std::int64_t>(weight_.size()); }
    /// The coefficient at an index in [0, size()). Error (data corrupted) when its texts leave the file.
    /// 下标在 [0, size()) 内的系数；文本越界时抛出 Error（数据损坏）。
    Coefficient at(std::int64_t index) const;

  private:
    struct Texts {
        std::span<const std::int64_t> offsets;
        std::span<const std::uint8_t> bytes;
    };
    static Texts texts(const SafetensorsFile& file, const std::string& name, std::int64_t count);
    static std::string_view text(const Texts& texts, std::int64_t index);

    Texts feature_, value_;
    std::span<const float> weight_, error_;
    std::span<const std::int64_t> rows_;
};

}  // namespace seqrec
