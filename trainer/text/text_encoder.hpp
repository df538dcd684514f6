// From texts to vectors: a language model in a folder, or hashed words where there is none.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "run/workers.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// Makes a vector of a text. Safe to use from several threads.
/// 将文本变为向量。可多线程使用。
class TextEncoder {
  public:
    virtual ~TextEncoder() = default;
    /// Tells encoders apart: equal fingerprints give equal vectors of equal texts.
    /// 区分编码器：指纹相同，则相同文本得到相同向量。
    virtual std::string fingerprint() const = 0;
    /// Whether it is the built-in fallback and no language model.
    /// 是否为内置的后备编码器，而非语言模型。
    virtual bool is_fallback() const = 0;
    virtual std::int64_t width() const = 0;
    /// What a user should be told of how it was opened, such as a pooling that no file names; empty for nothing.
    /// 打开时应告知用户的内容，例如没有文件说明池化方式；无则为空。
    virtual std::string notice() const { return {}; }
    /// A vector of each text (UTF-8), [texts, width], float32; zeros for a text without a word. `poll` hears what
    /// share is done.
    /// 每个文本（UTF-8）的向量 [文本数, width]，float32；没有词的文本为零向量。poll 得知完成的比例。
    virtual at::Tensor encode(std::span<const std::string_view> texts, Workers& workers,
                              const std::function<void(double share)>& poll) const = 0;
};

/// The language model of a Hugging Face folder, or the fallback when `folder` is empty. Errors, each with a hint that
/// names the file: 58030 (can't be read), XX001 (cut, a tensor missing or of a wrong shape), 0A000 (of an
/// architecture that this program does not know).
/// 打开 Hugging Face 模型目录；folder 为空则为后备编码器。错误均带有指明文件的提示：58030（无法读取）、
/// XX001（截断、缺少张量或形状不符）、0A000（未知架构）。
std::unique_ptr<const TextEncoder> open_text_encoder(const std::string& folder);

}  // namespace seqrec::trainer
