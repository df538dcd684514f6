// What is known of the moments of clicks and questions: further columns of the ratings, and time.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/kinds/query_columns.hpp"
#include "data/dataset.hpp"
#include "files/tensor_file.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/shared/gather.hpp"

namespace seqrec::trainer {

/// Which parts of it take part.
/// 采用其中的哪些部分。
struct ContextUse {
    bool time = false, columns = false;

    bool any() const { return time || columns; }
    /// As the option `context_use` has it: none, time, columns or all.
    /// 与选项 context_use 的写法相同。
    const char* name() const;
    bool operator==(const ContextUse&) const = default;
};

/// The parts of a name; none for another name.
/// 由名称得到各部分；其他名称为无。
ContextUse use_named(const std::string& name);

/// What a dataset has: time where it is a clock, columns where one tells interactions apart.
/// 数据集所具有的：时间列为真实时钟时有 time；有能区分交互的列时有 columns。
ContextUse context_of(const Dataset& data);
/// Whether times are those of a clock: seconds since 1970, of the years 1973 to 2100, and more than one of them.
/// 时间是否来自时钟：1970 年以来的秒数，位于 1973 至 2100 年，且不止一个取值。
bool is_clock(const Dataset& data);

/// Features of the moment of every interaction, over the rows of one table.
/// 每次交互所处时刻的特征，对应一张表的各行。
class Moments {
  public:
    Moments() = default;
    Moments(const Dataset& data, ContextUse use);

    ContextUse use() const { return use_; }
    bool exists() const { return use_.any(); }
    std::int64_t rows() const { return static_cast<std::int64_t>(values_.size()); }
    std::int64_t columns() const { return static_cast<std::int64_t>(described_.size()); }
    /// The column that a row is of, and whether that is one of time.
    /// 某行所属的列，以及该列是否为时间列。
    std::int32_t column_of(std::int32_t row) const { return column_of_[static_cast<std::size_t>(row)]; }
    bool is_of_time(std::int32_t row) const { return use_.time && column_of(row) < kTimeColumns; }
    /// Appends the features of the interaction at a place of all sequences; `before`: where the click before it is, -1 for
    /// none.
    /// 追加全部序列中某位置的交互的特征；before 为其前一次点击的位置，没有则为 -1。
    void append(std::int64_t place, std::int64_t before, std::vector<QueryFeature>& to) const;

    /// What tells a row from others: its column, and its value or what else it stands for.
    /// 各行的标识：列名，以及取值或其含义。
    const std::vector<std::string>& names() const { return names_; }
    /// `context_columns` and `context_rows` of the config, `context.value.*` of the model file.
    /// config 的 context_columns 与 context_rows，以及模型文件的 context.value.*。
    nlohmann::json config() const;
    std::vector<NamedTensor> tensors() const;

  private:
    static constexpr std::int32_t kTimeColumns = 3;

    void add_columns(const Dataset& data, const std::vector<std::int64_t>& rows);
    void add_column(const QueryColumn& column, std::vector<std::string> values);

    ContextUse use_;
    std::vector<QueryColumn> described_;
    std::vector<std::string> values_, names_;
    std::vector<std::int32_t> column_of_;
    std::vector<double> times_;          // of each place; with time
    std::vector<std::int64_t> offsets_;  // of each place into features_; with columns
    std::vector<QueryFeature> features_;
};

/// The names of a model file's rows, as Moments::names(); none without context. Error XX001 for a damaged file.
/// 模型文件各行的标识，同 Moments::names()；没有 context 则为空。文件损坏时抛出 Error XX001。
std::vector<std::string> moment_names(const SafetensorsFile& file);

/// What a training says of the inputs of a batch, and of the questions that its labels answer. Much is left unsaid, at
/// random by the batch's seed: of a sequence's inputs, or of a question, everything, else each column by itself. So
/// what is not known when a question comes is a state that was trained. `all_said`: nothing is left unsaid.
/// 训练中对批次输入及其标签所对应问题的说明。按批次种子随机留白：整个序列的输入或整个问题，或单独某列。
/// 因此提问时的“未知”也是训练过的状态。all_said 时不留白。
std::shared_ptr<const Terms> input_terms(const Moments& moments, const Packed& batch, bool all_said = false);
std::shared_ptr<const Terms> question_terms(const Moments& moments, const Packed& batch,
                                            bool all_said = false);

/// What each label counts, by place; empty where all count the same. Error 22000 when none counts.
/// 每个标签的权重（按位置）；全部相同则为空。没有标签计入时抛出 Error 22000。
std::vector<float> label_weights(const Dataset& data);
/// Takes the labels that weigh 0 or less out of a batch, and gives the others their weights.
/// 从批次中去掉权重不大于 0 的标签，并赋予其余标签权重。
void weigh_labels(Packed& batch, const std::vector<float>& weights);

}  // namespace seqrec::trainer
