// From a user and clicks to one vector, without libtorch: what every kind of model brings.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec {

/// What products of an encoding round their factors to. Sums, layer norms and the softmax are float32 always.
/// 编码时矩阵乘法因子的精度；累加、层归一化与 softmax 始终为 float32。
enum class Precision : std::uint8_t {
    Fast,   ///< bfloat16 where the CPU multiplies it (AVX512-BF16), otherwise float32
    Exact,  ///< float32
};

/// Gives a tensor of a model by name, [shape]; Error (data corrupted) when it is missing or of another shape.
/// 按名称给出模型的张量；缺失或形状不符时抛出 Error（数据损坏）。
using TensorSource = std::function<std::span<const float>(const std::string& name, const Shape& shape)>;

/// Who asks, in indexes of the model.
/// 请求者，以模型内的下标表示。
struct EncoderInput {
    std::span<const std::int32_t> clicks;  ///< oldest first, each in [0, items)
    std::int32_t user = -1;                ///< in [0, users), or -1 for a user the model has never seen
    /// What is known beyond the clicks, a JSON object of columns and values, or null: features of a user who
    /// was not there at training, and the moment's.
    /// 点击之外已知的信息（列名到值的 JSON 对象）或空：训练时不存在的用户的特征，以及当下的情境。
    const nlohmann::json* context = nullptr;
    /// Where each of the clicks was among those that were given, for contexts that speak of clicks; empty: nowhere.
    /// 各点击在所给点击中的位置，供涉及点击的 context 使用；空则未知。
    std::span<const std::int32_t> places{};
};

/// What an encoding says beside its vector.
/// 编码除向量外给出的信息。
struct Encoded {
    bool known;  ///< whether the model has anything to say of the asker; else the most popular items answer
    float offset = 0;  ///< c(user) of the score's form
};

/// The forward pass of a trained model over a model file or a snapshot, which must outlive it. Opening checks
/// every shape (Error, data corrupted). Safe to use from several threads.
/// 训练好的模型在模型文件或快照上的前向计算；文件的生命周期须长于本对象。打开时检查所有形状（Error，
/// 数据损坏）。可多线程使用。
class Encoder {
  public:
    virtual ~Encoder() = default;

    /// Columns of an item's row, and numbers of a query.
    /// 物品行的列数，即查询的长度。
    virtual int dim() const = 0;
    /// How many of the latest clicks it looks at.
    /// 所考虑的最近点击数。
    virtual int reach() const = 0;
    /// Writes the query of an asker to `out` (dim floats), all of which are set; what an asker of whom
    /// nothing is known gets is a query, too. Error (internal) for indexes out of range.
    /// 将请求者的查询写入 out（dim 个 float，全部写入）；一无所知的请求者同样得到一个查询。
    /// 下标越界抛出 Error（内部错误）。
    virtual Encoded encode(const EncoderInput& input, std::span<float> out,
                           Precision precision = Precision::Fast) const = 0;
    /// The keys of a context (a JSON object) that mean nothing to it, or have a value that its column can't
    /// have: all of them to a kind that uses none.
    /// context（JSON 对象）中对该模型没有意义、或值不合其列的键；不使用 context 的类型返回全部。
    virtual std::vector<std::string> unknown_context(const nlohmann::json& context) const;
};

}  // namespace seqrec
