#include "core/reason_text.hpp"

#include <algorithm>
#include <array>

namespace seqrec {
namespace {

constexpr std::array<std::string_view, kReasonKinds> kNames = {
    "click", "latest_click", "again", "clicks", "words", "user", "features", "context", "popular"};

constexpr ReasonTemplate kDefaults[] = {
    {"en", "click", "because you viewed {title}"},
    {"en", "again", "because you viewed it before"},
    {"en", "clicks", "because of what you viewed"},
    {"en", "words", "because you viewed things like it: {words}"},
    {"en", "user", "because of what you have liked before"},
    {"en", "features", "because people like you choose it"},
    {"en", "context", "because of {words}"},
    {"en", "popular", "popular right now"},
    {"zh", "click", "因为您最近浏览了{title}"},
    {"zh", "again", "因为您之前浏览过"},
    {"zh", "clicks", "因为您最近的浏览"},
    {"zh", "words", "因为您浏览过相近的内容：{words}"},
    {"zh", "user", "因为您一贯的喜好"},
    {"zh", "features", "因为与您相似的人也喜欢"},
    {"zh", "context", "因为当前情境：{words}"},
    {"zh", "popular", "近期热门"},
};

const ReasonTemplate* find(std::span<const ReasonTemplate> all, std::string_view language,
                           std::string_view kind) {
    const auto found = std::ranges::find_if(
        all, [&](const ReasonTemplate& each) { return each.language == language && each.kind == kind; });
    return found == all.end() ? nullptr : &*found;
}

/// What a place stands for, when `text` begins with one.
struct Placeholder {
    std::size_t length;
    std::string_view value;
};

std::optional<Placeholder> placeholder_at(std::string_view text, const ReasonNames& names) {
    if (text.starts_with("{item}")) return Placeholder{6, names.item};
    if (text.starts_with("{title}")) return Placeholder{7, names.title};
    if (text.starts_with("{words}")) return Placeholder{7, names.words};
    return std::nullopt;
}

}  // namespace

std::string_view reason_kind_name(ReasonKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::string language_of(std::string_view locale) {
    std::string language(locale.substr(0, locale.find_first_of("_-.@ ")));
    std::ranges::transform(language, language.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (language == "chinese") return "zh";  // as Windows names its locales
    return language.empty() || language == "c" || language == "posix" ? "en" : language;
}

std::span<const ReasonTemplate> default_reason_templates() { return kDefaults; }

std::string_view find_template(std::span<const ReasonTemplate> overrides, std::string_view language,
                               ReasonKind kind) {
    const std::string_view name = reason_kind_name(kind);
    for (const std::string_view each : {language, std::string_view("en")})
        for (const auto all : {overrides, default_reason_templates()}) {
            const auto* found = find(all, each, name);
            if (!found && kind == ReasonKind::LatestClick)
                found = find(all, each, reason_kind_name(ReasonKind::Click));
            if (found) return found->text;
        }
    return "";
}

std::string fill_template(std::string_view text, const ReasonNames& names) {
    std::string filled;
    while (!text.empty()) {
        const auto place = text.front() == '{' ? placeholder_at(text, names) : std::nullopt;
        filled += place ? place->value : text.substr(0, 1);
        text.remove_prefix(place ? place->length : 1);
    }
    return filled;
}

std::string joined_words(std::span<const std::string> words, std::string_view language) {
    std::string joined;
    for (const std::string& word : words) {
        if (!joined.empty()) joined += language == "zh" ? "、" : ", ";
        joined += word;
    }
    return joined;
}

}  // namespace seqrec
