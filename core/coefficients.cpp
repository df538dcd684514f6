#include "core/coefficients.hpp"

namespace seqrec {

std::optional<Coefficients> Coefficients::of(const SafetensorsFile& file) {
    if (!file.contains("coefficient.weight")) return std::nullopt;
    Coefficients found;
    found.weight_ = file.get<float>("coefficient.weight", {-1});
    found.error_ = file.get<float>("coefficient.error", {found.size()});
    found.rows_ = file.get<std::int64_t>("coefficient.rows", {found.size()});
    found.feature_ = texts(file, "coefficient.feature", found.size());
    found.value_ = texts(file, "coefficient.value", found.size());
    return found;
}

Coefficients::Texts Coefficients::texts(const SafetensorsFile& file, const std::string& name,
                                        std::int64_t count) {
    return {file.get<std::int64_t>(name + ".offsets", {count + 1}),
            file.get<std::uint8_t>(name + ".bytes", {-1})};
}

std::string_view Coefficients::text(const Texts& texts, std::int64_t index) {
    const auto at = static_cast<std::size_t>(index);
    const std::int64_t begin = texts.offsets[at], end = texts.offsets[at + 1];
    if (begin < 0 || begin > end || end > static_cast<std::int64_t>(texts.bytes.size()))
        throw Error(sqlstate::kDataCorrupted,
                    "the text of coefficient " + std::to_string(index) + " leaves the file");
    return {reinterpret_cast<const char*>(texts.bytes.data()) + begin, static_cast<std::size_t>(end - begin)};
}

Coefficient Coefficients::at(std::int64_t index) const {
    const auto at = static_cast<std::size_t>(index);
    return {text(feature_, index), text(value_, index), weight_[at], error_[at], rows_[at]};
}

}  // namespace seqrec
