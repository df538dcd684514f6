#include "text/text_vectors.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace seqrec::trainer {
namespace {

constexpr char kHash[] = "item.text.hash";
constexpr char kVector[] = "item.text.vector";

/// A text's XXH3 of 128 bits; -1, -1 for none can't be told from it, and needn't be.
struct TextHash {
    std::int64_t low, high;
    bool operator==(const TextHash&) const = default;
};
struct HashOfHash {
    std::size_t operator()(const TextHash& hash) const { return static_cast<std::size_t>(hash.low); }
};
using Rows = std::unordered_map<TextHash, std::int64_t, HashOfHash>;

TextHash hash_of(std::string_view text) {
    const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
    return {static_cast<std::int64_t>(hash.low64), static_cast<std::int64_t>(hash.high64)};
}

std::vector<std::string_view> texts_of(const SafetensorsFile& dataset, std::int64_t items) {
    const auto offsets = dataset.get<std::int64_t>("item.text.offsets", {items + 1});
    const auto bytes = dataset.get<std::uint8_t>("item.text.bytes", {-1});
    const char* text = reinterpret_cast<const char*>(bytes.data());
    std::vector<std::string_view> texts;
    for (std::int64_t i = 0; i < items; ++i) {
        if (offsets[i] < 0 || offsets[i] > offsets[i + 1] ||
            offsets[i + 1] > static_cast<std::int64_t>(bytes.size()))
            throw Error(sqlstate::kDataCorrupted, "the dataset's texts lie outside their bytes");
        texts.emplace_back(text + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
    }
    return texts;
}

/// Whether an earlier file's vectors are this encoder's.
bool is_of(const SafetensorsFile& earlier, const TextEncoder& encoder) {
    const auto config = earlier.metadata().find("config");
    if (config == earlier.metadata().end()) return false;
    const auto json = nlohmann::json::parse(config->second, nullptr, false);
    const nlohmann::json::json_pointer place("/content/text/encoder");
    return json.is_object() && json.contains(place) && json.at(place) == encoder.fingerprint();
}

/// The vectors of an earlier file, by their texts' hashes; none where it has none that fit.
class EarlierVectors {
  public:
    EarlierVectors(const SafetensorsFile* earlier, const TextEncoder& encoder) {
        if (!earlier || encoder.is_fallback() || !is_of(*earlier, encoder)) return;
        if (!earlier->contains(kHash) || !earlier->contains(kVector)) return;
        const auto hashes = earlier->get<std::int64_t>(kHash, {-1, 2});
        const auto rows = static_cast<std::int64_t>(hashes.size() / 2);
        vectors_ = earlier->get<float>(kVector, {rows, encoder.width()});
        for (std::int64_t i = 0; i < rows; ++i) rows_.try_emplace({hashes[2 * i], hashes[2 * i + 1]}, i);
    }

    bool copy(const TextHash& hash, std::int64_t width, float* to) const {
        const auto found = rows_.find(hash);
        if (found == rows_.end()) return false;
        std::copy_n(vectors_.data() + found->second * width, width, to);
        return true;
    }

  private:
    std::span<const float> vectors_;
    Rows rows_;
};

/// Each different text once: its number is the first item's that has it.
struct Distinct {
    std::vector<std::int64_t> first;  // of each item, the item that stands for its text
    std::vector<std::int64_t> items;  // those that stand for a text
};

Distinct distinct(const std::vector<TextHash>& hashes) {
    Distinct result;
    Rows seen;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        const auto item = static_cast<std::int64_t>(i);
        const auto [place, is_new] = seen.try_emplace(hashes[i], item);
        if (is_new) result.items.push_back(item);
        result.first.push_back(place->second);
    }
    return result;
}

at::Tensor hash_tensor(const std::vector<TextHash>& hashes) {
    at::Tensor result = at::empty({static_cast<std::int64_t>(hashes.size()), 2}, at::kLong);
    if (!hashes.empty()) std::memcpy(result.data_ptr(), hashes.data(), hashes.size() * sizeof(TextHash));
    return result;
}

/// Encodes the texts of these items into their rows.
void encode_new(const std::vector<std::string_view>& texts, const std::vector<std::int64_t>& items,
                const TextEncoder& encoder, Workers& workers, const std::function<void(double)>& poll,
                float* vectors) {
    std::vector<std::string_view> wanted;
    for (const std::int64_t item : items) wanted.push_back(texts[static_cast<std::size_t>(item)]);
    const at::Tensor made = encoder.encode(wanted, workers, poll);
    const std::int64_t width = encoder.width();
    for (std::size_t i = 0; i < items.size(); ++i)
        std::copy_n(made.data_ptr<float>() + static_cast<std::int64_t>(i) * width, width,
                    vectors + items[i] * width);
}

}  // namespace

TextVectors text_vectors(const SafetensorsFile& dataset, std::int64_t items, const TextEncoder& encoder,
                         const SafetensorsFile* earlier, Workers& workers,
                         const std::function<void(double)>& poll) {
    TextVectors result;
    if (!dataset.contains("item.text.offsets")) return result;
    const std::vector<std::string_view> texts = texts_of(dataset, items);
    std::vector<TextHash> hashes;
    for (const std::string_view text : texts) hashes.push_back(hash_of(text));
    const Distinct different = distinct(hashes);
    const EarlierVectors known(earlier, encoder);
    const std::int64_t width = encoder.width();
    result.vectors = at::zeros({items, width});
    float* vectors = result.vectors.data_ptr<float>();
    std::vector<std::int64_t> fresh;
    for (const std::int64_t item : different.items)
        if (!known.copy(hashes[static_cast<std::size_t>(item)], width, vectors + item * width))
            fresh.push_back(item);
    result.encoded = static_cast<std::int64_t>(fresh.size());
    result.taken_over = static_cast<std::int64_t>(different.items.size()) - result.encoded;
    if (!fresh.empty()) encode_new(texts, fresh, encoder, workers, poll, vectors);
    for (std::int64_t i = 0; i < items; ++i)
        if (const std::int64_t first = different.first[static_cast<std::size_t>(i)]; first != i)
            std::copy_n(vectors + first * width, width, vectors + i * width);
    if (!encoder.is_fallback()) result.kept = {{kHash, hash_tensor(hashes)}, {kVector, result.vectors}};
    return result;
}

}  // namespace seqrec::trainer
