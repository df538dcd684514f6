// Kind `p5`: a causal Transformer that is pretrained on all sequences, and a prompt made of what is known of the user
// put before the clicks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/kinds/kind.hpp"
#include "core/kinds/query_columns.hpp"

namespace seqrec {

extern const Kind kP5;

/// Tokens of a prompt at most that are made of columns: column c belongs to token c % kPromptColumns.
/// 由列生成的提示词元的最多个数：第 c 列属于第 c % kPromptColumns 个词元。
inline constexpr std::int64_t kPromptColumns = 16;
/// Tokens before the clicks at most: the start, those of columns, the user's own.
/// 点击之前的最多词元数：起始词元、各列的词元、用户自己的词元。
inline constexpr std::int64_t kMostPrompt = kPromptColumns + 2;

/// One of the prompt's tokens for each row of features: that of its column.
/// 每个特征行所属的提示词元（由其所在列决定）。
std::vector<std::int32_t> prompt_tokens(const std::vector<QueryColumn>& columns, std::int64_t rows);

/// A prompt, then the clicks: start, a token for each column of which something is given, the user's own token where she
/// has one. No prompt where nothing is known, nor one of columns alone after as many clicks as the config's `prompt_until`. The
/// query is what the blocks make of the last token, and after a prompt the head, of unit length. A logit is query . row + c(user),
/// where c is linear in the query. Neither prompt nor clicks: not known.
/// 先提示、后点击：提示依次为起始词元、每个有值的列一个词元、用户自己的词元（若有）。一无所知时没有提示；点击数达到 config 的
/// prompt_until 时，也没有仅由列构成的提示。查询由各块（有提示时再加输出头）在最后一个词元处得出，单位长度。
/// logit 为 查询 · 行 + c(user)，c 是查询的线性函数。既无提示又无点击则未知。
class P5Encoder final : public Encoder {
  public:
    explicit P5Encoder(const SafetensorsFile& file);
    ~P5Encoder() override;

    int dim() const override;
    int reach() const override;
    Encoded encode(const EncoderInput& input, std::span<float> out, Precision precision) const override;
    std::vector<std::string> unknown_context(const nlohmann::json& context) const override;

  private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace seqrec
