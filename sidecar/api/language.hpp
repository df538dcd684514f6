// Which language an answer's sentences are in.
#pragma once

#include <string>
#include <string_view>

namespace seqrec::sidecar {

/// Whether a text is a language's tag, as "zh", "zh-Hans-CN" and "en_GB" are.
/// 文本是否为语言标签，如 "zh"、"zh-Hans-CN"、"en_GB"。
bool is_language_tag(std::string_view text);

/// The tag that an Accept-Language header wants most: of those in English or Chinese, which are always there, else of all; empty when it
/// names none. What is not well formed in it is passed over.
/// Accept-Language 头部最想要的标签：优先取总是具备的英文或中文，否则取其余之首；没有则为空。不合格式的部分被略过。
std::string preferred_language(std::string_view header);

}  // namespace seqrec::sidecar
