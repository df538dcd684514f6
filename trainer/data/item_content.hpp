// What is known of items beside who had them: text, vectors that came with them, columns; a row of numbers each.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files/safetensors.hpp"
#include "data/features.hpp"
#include "files/tensor_file.hpp"
#include "run/reporter.hpp"
#include "run/workers.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// How content is read: which language model, and which columns count.
/// 如何读取内容：使用哪个语言模型，考虑哪些列。
struct ContentOptions {
    std::string text_model;  ///< folder; empty for the fallback
    bool features = false;   ///< the items' columns of numbers and categories too
};

/// A row of numbers of each item, [items, width]: the vector of its text (unit length), the vector that came with it
/// (unit length), its numbers (standardised, with a mark where one is missing) and a sketch of its categories. An
/// item of which nothing is known has zeros.
/// 每个物品的一行数 [物品数, width]：文本向量与自带向量（单位长度）、数值（标准化，缺失有标记）及类别的草图。
/// 一无所知的物品为零。
class ItemContent {
  public:
    /// Of nothing.
    ItemContent() = default;
    /// From a dataset file of so many items. `earlier`: a model or snapshot file whose text vectors are used again, null for
    /// none. `fitted`: what config() of an earlier content gave, so that rows mean the same; null: decided from
    /// these items. Warns through `reporter` of the fallback. Errors: as open_text_encoder, XX001, and 22023 when
    /// `fitted` asks for another language model or other columns than there are.
    /// 由数据集文件构造。earlier：可复用其文本向量的模型或快照，可为空。fitted：早先内容的 config()，使各行含义
    /// 相同；空则由这些物品决定。
    ItemContent(const SafetensorsFile& dataset, std::int64_t items, const ContentOptions& options,
                const SafetensorsFile* earlier, const nlohmann::json& fitted, Workers& workers,
                Reporter& reporter);

    /// False when the dataset says nothing of its items.
    /// 数据集对物品毫无说明时为 false。
    bool exists() const { return rows_.defined() && rows_.size(1) > 0; }
    const at::Tensor& rows() const { return rows_; }
    std::int64_t width() const { return exists() ? rows_.size(1) : 0; }
    /// What a model keeps under `content` of its config.
    /// 模型在 config 的 content 中保存的内容。
    const nlohmann::json& config() const { return config_; }
    /// What a model file keeps so that the next training or refresh encodes only new text; none for the fallback.
    /// 模型文件为下次训练或刷新只编码新文本而保存的张量；后备编码器没有。
    const std::vector<NamedTensor>& kept() const { return kept_; }

    /// How many texts were read, and not taken from the earlier file.
    /// 新编码（而非取自早先文件）的文本数。
    std::int64_t encoded() const { return encoded_; }

  private:
    void add_text(const SafetensorsFile& dataset, const ContentOptions& options,
                  const SafetensorsFile* earlier, const nlohmann::json& fitted, Workers& workers,
                  Reporter& reporter, std::vector<at::Tensor>& parts);
    void add_columns(const std::vector<FeatureColumn>& columns, std::int64_t items,
                     const nlohmann::json& fitted, std::vector<at::Tensor>& parts);
    void check_same(const nlohmann::json& fitted) const;

    at::Tensor rows_;
    nlohmann::json config_ = nlohmann::json::object();
    std::vector<NamedTensor> kept_;
    std::int64_t encoded_ = 0;
};

}  // namespace seqrec::trainer
