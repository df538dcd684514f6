// What a network reads: a prompt, then clicks, and in pretraining places of clicks that were hidden.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/kinds/p5.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/shared/gather.hpp"
#include "kinds/shared/user_features.hpp"

namespace seqrec::trainer {

/// The tables that tokens are made of, in the order in which gather() gets them.
/// 构成词元的各表，顺序同 gather() 的参数。
enum class TokenTable : std::uint8_t { Items, Positions, Special, Features, Personal };
/// Rows of TokenTable::Special. TokenTable::Special 的各行。
enum class SpecialToken : std::uint8_t { Start, Personal, Hidden };
inline constexpr std::int64_t kSpecials = 3;

/// Every token of a prompt that is made of columns. 由列生成的全部提示词元。
inline constexpr std::uint32_t kAllColumns = (1u << kPromptColumns) - 1;

/// Sequences of tokens, of which a step learns labels at some.
/// 词元序列；一步在其中若干处学习标签。
struct Reading {
    Terms terms;
    Packed sequences;                  ///< where they begin and end, and whose they are
    std::vector<std::int32_t> asked;   ///< tokens
    std::vector<std::int32_t> labels;  ///< items, one for each of `asked`
    std::vector<float> prompted;       ///< one for each of `asked`: 1 after a prompt, 0 without

    std::int64_t tokens() const { return terms.tokens(); }
    void ask(std::int32_t label, bool after_prompt) {
        asked.push_back(static_cast<std::int32_t>(tokens()) - 1);
        labels.push_back(label);
        prompted.push_back(after_prompt ? 1.0f : 0.0f);
    }
    /// What was added since the last one is a sequence. 自上次以来所加的构成一个序列。
    void end_sequence(std::int32_t user);
};

/// Writes tokens as the encoder does (core/kinds/p5.cpp).
/// 按编码器的方式写出词元。
class Scribe {
  public:
    /// `features` are those of the users; nothing is said of others. features 为各用户的特征。
    Scribe(std::shared_ptr<const UserFeatures> features, std::int64_t dim);

    /// The start, a token for each of `columns` of which something is known of a user (-1: nothing), and her own, which is row
    /// `own` of TokenTable::Personal, or -1 for none. False, and nothing is written, where no token follows the start.
    /// 起始词元；用户（-1 为未知）在 columns 中有值的每个列词元；以及其自己的词元（TokenTable::Personal 的第 own 行，-1 为无）。
    /// 起始词元之后没有其他词元时返回 false，且什么也不写。
    bool prompt(Terms& to, std::int32_t user, std::uint32_t columns, std::int32_t own) const;
    /// A start alone, for who says nothing: a sequence has a token.
    /// 仅一个起始词元，用于一无所知时：序列须有一个词元。
    void start(Terms& to) const;
    /// A click at a place counted from the oldest. 第 place 次点击（自最早起）。
    void click(Terms& to, std::int32_t item, std::int32_t place) const;
    /// A click at a place, hidden; once more at the end it asks for the item. 被隐藏的点击；在末尾再次出现时即询问该物品。
    void hidden(Terms& to, std::int32_t place) const;

    const UserFeatures& features() const { return *features_; }
    const std::shared_ptr<const UserFeatures>& shared_features() const { return features_; }

  private:
    std::shared_ptr<const UserFeatures> features_;
    std::vector<std::int32_t> token_of_row_;
    float scale_;
};

}  // namespace seqrec::trainer
