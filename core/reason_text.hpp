// Reasons in words: kinds of reasons, templates in each language, and a template with its places filled. Nothing of a template, a
// title or an id is ever anything but text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seqrec {

/// What a reason is about.
/// 理由的种类。
enum class ReasonKind : std::uint8_t {
    Click,        ///< one click that is named
    LatestClick,  ///< the same where it is the latest; as Click unless there is a template for it
    Again,        ///< the item itself was clicked before
    Clicks,       ///< the clicks together, none of which helps by itself
    Words,        ///< as Clicks, for models that read texts: words that the item and the clicks share
    User,         ///< what the user has liked for long
    Features,     ///< the same for models that know the user's features
    Context,      ///< something known beyond the clicks, which is named
    Popular,
};
inline constexpr int kReasonKinds = 9;

/// "click", "latest_click", "again", "clicks", "words", "user", "features", "context", "popular".
/// 名称。
std::string_view reason_kind_name(ReasonKind kind);

/// The language of a locale or a tag, in small letters: "zh" of "zh_CN.UTF-8" and of "zh-Hant"; "en" of "C", "POSIX" and an empty one.
/// 区域或语言标签所属的语言（小写）："zh_CN.UTF-8" 与 "zh-Hant" 为 "zh"；"C"、"POSIX" 与空串为 "en"。
std::string language_of(std::string_view locale);

/// One template of the table, or of those that are built in.
/// 一条模板：表中的或内置的。
struct ReasonTemplate {
    std::string_view language, kind, text;
};

/// Those that are built in, for English and Chinese.
/// 内置的英文与中文模板。
std::span<const ReasonTemplate> default_reason_templates();

/// The template for a kind of reason: the table's in that language, the built-in one, the table's and the built-in one in English.
/// `overrides` must outlive what is returned.
/// 某种理由的模板：依次为表中该语言的、内置的、表中英文的、内置英文的。overrides 须长于返回值。
std::string_view find_template(std::span<const ReasonTemplate> overrides, std::string_view language,
                               ReasonKind kind);

/// What stands in the places of a template.
/// 模板中各占位符的内容。
struct ReasonNames {
    std::string_view item;   ///< {item}: the id of the click
    std::string_view title;  ///< {title}: its title, or its id
    std::string_view
        words;  ///< {words}: words that the item shares with what was clicked, or the part of a context
};

/// A template with {item}, {title} and {words} filled, once: what is filled in is not looked at again. Other braces stay.
/// 填入 {item}、{title}、{words} 的模板，只填一遍：填入的内容不再解释，其他花括号保持原样。
std::string fill_template(std::string_view text, const ReasonNames& names);

/// Several words as one: with commas, in Chinese "、".
/// 将多个词连成一段：以逗号连接，中文用“、”。
std::string joined_words(std::span<const std::string> words, std::string_view language);

}  // namespace seqrec
