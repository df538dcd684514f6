// A vector of each item's text, encoding only what no earlier file has.
#pragma once

#include <functional>
#include <vector>

#include "core/files/safetensors.hpp"
#include "files/tensor_file.hpp"
#include "text/text_encoder.hpp"

namespace seqrec::trainer {

/// The vectors, what a model file keeps of them, and how much work they were.
/// 文本向量、模型文件保存的部分以及工作量。
struct TextVectors {
    at::Tensor vectors;  ///< [items, width]; undefined when the dataset has no texts
    /// `item.text.hash` (I64 [items, 2]) and `item.text.vector` (F32 [items, width]); none for the fallback, which is cheap
    std::vector<NamedTensor> kept;
    std::int64_t encoded = 0,
                 taken_over = 0;  ///< different texts, encoded anew and taken from the earlier file
};

/// The vectors of a dataset's texts (item.text.offsets, item.text.bytes). Equal texts are encoded once. `earlier`: a
/// model or snapshot file whose vectors are used again when its config's content.text.encoder is this encoder's
/// fingerprint; null for none. Errors: XX001 when the dataset's tensors don't fit.
/// 数据集文本的向量；相同文本只编码一次。earlier：指纹相同时复用其向量的模型或快照文件，可为空。
TextVectors text_vectors(const SafetensorsFile& dataset, std::int64_t items, const TextEncoder& encoder,
                         const SafetensorsFile* earlier, Workers& workers,
                         const std::function<void(double share)>& poll);

}  // namespace seqrec::trainer
