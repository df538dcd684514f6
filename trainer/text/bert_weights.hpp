// The weights of a BERT, each checked against its configuration.
#pragma once

#include <string>
#include <vector>

#include "text/bert_config.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// A matrix product's weights, [out, in] and [out], float32.
/// 线性层的权重 [out, in] 与偏置 [out]，float32。
struct LinearWeights {
    at::Tensor weight, bias;
};
struct NormWeights {
    at::Tensor weight, bias;
};

struct BertLayerWeights {
    LinearWeights query_key_value, output, inner, outer;
    NormWeights attention_norm, norm;
};

struct BertWeights {
    at::Tensor words;  ///< [vocabulary, hidden] in the file's own type: most rows are never looked at
    at::Tensor positions, type;  ///< [positions, hidden], [hidden]: that of the first sentence
    NormWeights norm;
    std::vector<BertLayerWeights> layers;
};

/// Reads model.safetensors of a folder: F32, F16 or BF16, names with or without `bert.`. Nothing is allocated before a
/// tensor's shape is seen to be what `config` says. Errors: 58030, XX001, 0A000 (another type of numbers).
/// 读取目录中的 model.safetensors：F32、F16 或 BF16，名称可带 bert. 前缀；分配前先检查形状。
BertWeights read_bert_weights(ModelFolder& folder, const BertConfig& config);

/// Random weights as a fresh BERT has them, for measurements.
/// 随机权重，供测量使用。
BertWeights random_bert_weights(const BertConfig& config);

}  // namespace seqrec::trainer
