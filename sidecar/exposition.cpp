#include "exposition.hpp"

#include <array>
#include <charconv>

namespace seqrec::sidecar {
namespace {

/// Shortest text without an exponent that reads back as the same number.
std::string number_text(double value) {
    std::array<char, 400> text{};
    const auto [end, error] =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    return {text.data(), end};
}

void append_label(std::string& labels, std::string_view name, std::string_view value) {
    if (!labels.empty()) labels.push_back(',');
    labels.append(name).append("=\"");
    for (const char c : value) {
        if (c == '\\' || c == '"') labels.push_back('\\');
        if (c == '\n')
            labels += "\\n";
        else
            labels.push_back(c);
    }
    labels.push_back('"');
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
    family_ = name;
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void Exposition::line(std::string_view suffix, Labels labels, std::string_view bound, double value) {
    std::string inside;
    for (const auto& [name, label] : labels) append_label(inside, name, label);
    if (!bound.empty()) append_label(inside, "le", bound);
    text_.append(family_).append(suffix);
    if (!inside.empty()) text_.append("{").append(inside).append("}");
    text_.append(" ").append(number_text(value)).append("\n");
}

void Exposition::sample(double value, Labels labels) { line("", labels, "", value); }

void Exposition::sample(const Histogram& histogram, Labels labels) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
        total += histogram.counts()[i];
        const bool is_last = i == histogram.bounds().size();
        line("_bucket", labels, is_last ? "+Inf" : number_text(histogram.bounds()[i]),
             static_cast<double>(total));
    }
    line("_sum", labels, "", histogram.sum());
    line("_count", labels, "", static_cast<double>(total));
}

void Exposition::single(std::string_view name, std::string_view type, std::string_view help, double value) {
    family(name, type, help);
    sample(value);
}

}  // namespace seqrec::sidecar
