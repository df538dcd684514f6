#include "core/files/content_columns.hpp"

#include <algorithm>
#include <limits>

namespace seqrec {

std::string_view beginning(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    const auto inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
    while (most > 0 && inside(most)) --most;
    return text.substr(0, most);
}

void TextColumn::put(std::int32_t index, std::string_view text) {
    const auto at = static_cast<std::size_t>(index);
    if (at >= places_.size()) places_.resize(at + 1, Place{0, 0});
    places_[at] = {bytes_.size(), text.size()};
    bytes_.append(text.data(), text.size());
}

void TextColumn::declare(SafetensorsWriter& writer, const std::string& prefix, std::int64_t count) const {
    writer.declare<std::int64_t>(prefix + ".offsets", {count + 1});
    writer.declare<std::uint8_t>(prefix + ".bytes", {static_cast<std::int64_t>(bytes_.size())});
}

void TextColumn::write(SafetensorsWriter& writer, const std::string& prefix) {
    const std::span<std::int64_t> offsets = writer.data<std::int64_t>(prefix + ".offsets");
    std::span<std::byte> rest = writer.bytes(prefix + ".bytes");
    places_.resize(offsets.size() - 1, Place{0, 0});
    offsets[0] = 0;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        bytes_.copy_part(places_[i].start, rest.first(places_[i].size));
        rest = rest.subspan(places_[i].size);
        offsets[i + 1] = offsets[i] + static_cast<std::int64_t>(places_[i].size);
    }
}

bool VectorColumn::put(std::int32_t index, std::span<const float> vector) {
    if (width_ == 0) width_ = vector.size();
    if (vector.size() != width_) return false;
    const auto at = static_cast<std::size_t>(index);
    if (at >= places_.size()) places_.resize(at + 1, -1);
    places_[at] = rows_++;
    values_.append(vector.data(), vector.size_bytes());
    return true;
}

void VectorColumn::declare(SafetensorsWriter& writer, const std::string& name, std::int64_t count) const {
    if (width_ > 0) writer.declare<float>(name, {count, static_cast<std::int64_t>(width_)});
}

void VectorColumn::write(SafetensorsWriter& writer, const std::string& name) {
    if (width_ == 0) return;
    std::span<float> rest = writer.data<float>(name);
    places_.resize(rest.size() / width_, -1);
    for (const std::int64_t place : places_) {
        const std::span<float> row = rest.first(width_);
        if (place < 0)
            std::ranges::fill(row, std::numeric_limits<float>::quiet_NaN());
        else
            values_.copy_part(static_cast<std::size_t>(place) * row.size_bytes(),
                              std::as_writable_bytes(row));
        rest = rest.subspan(width_);
    }
}

}  // namespace seqrec
