#include "core/model_export.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/recommend.hpp"

namespace seqrec {
namespace {

using nlohmann::json;

/// A header of a multiple of 64 bytes, the eight of its length included.
std::string with_length(std::string header) {
    header.append((64 - (header.size() + 8) % 64) % 64, ' ');
    const std::uint64_t length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + header;
}

}  // namespace

SafetensorsImage::SafetensorsImage(const std::map<std::string, std::string>& metadata,
                                   std::vector<std::pair<std::string, Tensor>> tensors)
    : tensors_(std::move(tensors)) {
    std::ranges::stable_sort(tensors_, std::ranges::greater(),
                             [](const auto& named) { return element_size(named.second.dtype); });
    json header = {{"__metadata__", metadata}};
    std::size_t at = 0;
    for (const auto& [name, tensor] : tensors_) {
        header[name] = {{"dtype", dtype_name(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"data_offsets", {at, at + tensor.bytes.size()}}};
        at += tensor.bytes.size();
    }
    header_ = with_length(header.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::size_t SafetensorsImage::size() const {
    std::size_t size = header_.size();
    for (const auto& [name, tensor] : tensors_) size += tensor.bytes.size();
    return size;
}

void SafetensorsImage::write(std::span<std::byte> to) const {
    std::memcpy(to.data(), header_.data(), header_.size());
    std::byte* at = to.data() + header_.size();
    for (const auto& [name, tensor] : tensors_) at = std::ranges::copy(tensor.bytes, at).out;
}

std::string npy_header(std::int64_t rows, std::int64_t columns) {
    std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                       std::to_string(columns) + "), }";
    text.append(63 - (text.size() + 10) % 64, ' ');
    text += '\n';
    const auto length = static_cast<std::uint16_t>(text.size());
    return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(length & 255) +
           static_cast<char>(length >> 8) + text;
}

void write_item_vectors(const Snapshot& snapshot, std::span<std::byte> to) {
    for (std::int32_t item = 0; item < snapshot.items().size(); ++item) {
        const std::vector<float> vector = item_vector(snapshot, item);
        const std::size_t bytes = vector.size() * sizeof(float);
        std::memcpy(to.data() + static_cast<std::size_t>(item) * bytes, vector.data(), bytes);
    }
}

std::string id_map_json(const IdIndex& ids, std::string (*to_utf8)(std::string_view)) try {
    std::string text = "{";
    for (std::int32_t at = 0; at < ids.size(); ++at) {
        if (at > 0) text += ",\n ";
        text += json(to_utf8(ids.id(at))).dump() + ": " + std::to_string(at);
    }
    return text + "}\n";
} catch (const json::type_error&) {
    throw Error("22021", "an id is no text in UTF-8",
                "JSON knows no other; ids of a database in SQL_ASCII may be any bytes.");
}

}  // namespace seqrec
