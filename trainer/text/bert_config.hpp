// What the files of a BERT say of its sizes and of how its vectors are made.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/step_kernels.hpp"
#include "text/model_folder.hpp"

namespace seqrec::trainer {

/// The sizes of a BERT, each in a range that arithmetic with it can't leave.
/// BERT 的各种尺寸，均在安全范围内。
struct BertConfig {
    std::int64_t vocabulary = 0, hidden = 0, layers = 0, heads = 0, inner = 0, positions = 0, types = 0;
    float epsilon = 1e-12f;
    kernels::Activation activation = kernels::Activation::Gelu;
};

/// How the vectors of a text's tokens become the text's.
/// 词元向量如何成为文本向量。
struct Pooling {
    bool cls = false;  ///< the first token's; the mean of all otherwise
    bool normalize = true;
    std::string notice{};  ///< what was taken for granted
};

/// Reads config.json. Errors: 58030, XX001 (no such sizes), 0A000 (another architecture, by name).
/// 读取 config.json。错误：58030、XX001（尺寸不合理）、0A000（其他架构，指明名称）。
BertConfig read_bert_config(ModelFolder& folder);

/// Reads modules.json and its pooling's config.json, as sentence-transformers writes them; without them a mean of unit
/// length. Errors: XX001, 0A000 (another pooling, or a layer behind it, by name).
/// 读取 sentence-transformers 的 modules.json 与池化配置；没有则取单位长度的均值。
Pooling read_pooling(ModelFolder& folder);

}  // namespace seqrec::trainer
