// The fallback where no language model is configured: words and parts of words, hashed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/text_encoder.hpp"

namespace seqrec::trainer {

/// A part of a text that counts: a word, or a few characters in a row.
/// 文本中计数的部分：词，或若干连续字符。
struct HashedToken {
    std::uint64_t hash;
    float weight;
};

/// The tokens of a text, each once, in the order of their hashes. Capitals and forms of a character don't count
/// (NFKC_Casefold). A word counts 1; its parts of 3 and 4 characters, ends marked, count together a half of it; numbers
/// have no parts. Han, Kana and Hangul: parts of 1 to 3 characters. One that comes n times counts 1 + ln n times.
/// 文本的词元，各一次，按哈希排序。忽略大小写与字符形式。词计 1；其 3、4 字符的片段（标出词首尾）合计为其一半；
/// 数字没有片段。汉字、假名、谚文：1 至 3 字符的片段。出现 n 次者计 1 + ln n 次。
std::vector<HashedToken> hashed_tokens(std::string_view text);

/// Adds each token to a few coordinates with a sign, by its hash (count sketch), and makes the sum's length 1.
/// Texts that share words are near each other; it knows nothing of what words mean.
/// 按哈希将每个词元以正负号加到若干坐标（count sketch），并归一化。共享词语的文本彼此接近，但不理解词义。
class HashedTextEncoder : public TextEncoder {
  public:
    static constexpr std::int64_t kWidth = 1024;

    std::string fingerprint() const override { return "hashed/2"; }
    bool is_fallback() const override { return true; }
    std::int64_t width() const override { return kWidth; }
    at::Tensor encode(std::span<const std::string_view> texts, Workers& workers,
                      const std::function<void(double share)>& poll) const override;
};

}  // namespace seqrec::trainer
