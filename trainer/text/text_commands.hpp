// The commands `embed-text` and `bench-text`: what a text becomes, and how fast.
#pragma once

#include <string>

namespace seqrec::trainer {

/// Reads a JSON array of texts and prints {"encoder": …, "vectors": [[…], …]} by the language model of a folder, or the
/// fallback when `folder` is empty. With `ids`, prints the token ids of each text instead, without begin and end.
/// Returns the exit status.
/// 读取文本的 JSON 数组，输出目录中语言模型（folder 为空则为后备编码器）的向量；ids 为真则输出词元编号。
int run_embed_text(const std::string& folder, const std::string& texts, bool ids);

/// Prints one JSON object: sentences/s and GFLOP/s of a folder's language model, or of one of random weights in
/// MiniLM-L6's shape when `folder` is empty, beside those of a large product by the same kernels in the same run, and
/// titles/s of the fallback. Returns the exit status.
/// 输出一个 JSON 对象：语言模型（folder 为空则为 MiniLM-L6 形状的随机模型）的句/秒与 GFLOP/s、
/// 同次运行中大矩阵乘法的 GFLOP/s，以及后备编码器的标题/秒。
int run_bench_text(int threads, const std::string& folder);

}  // namespace seqrec::trainer
