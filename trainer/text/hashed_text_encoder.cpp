#include "text/hashed_text_encoder.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "text/characters.hpp"

// Whatever here changes a vector needs another fingerprint: models keep its name.

namespace seqrec::trainer {
namespace {

constexpr int kCoordinates = 4;                    // of a token
constexpr int kCoordinateBits = 10;                // of kWidth
constexpr float kWordParts = 0.5f;                 // squared, of a word's parts together beside the word
constexpr float kUnspaced[] = {0.6f, 1.0f, 0.7f};  // parts of 1, 2, 3 characters
constexpr std::size_t kTextsBetweenPolls = 512;
constexpr char32_t kStart = U'\u0002', kEnd = U'\u0003';  // of a word; no text has them

using Tokens = std::vector<HashedToken>;
enum class Class { Gap, Word, Unspaced };

Class class_of(char32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? Class::Word : Class::Gap;
    if (!is_word_part(c)) return Class::Gap;
    return is_unspaced(c) ? Class::Unspaced : Class::Word;
}

/// Capitals folded; ASCII, which most text is, without a table.
std::u32string read(std::string_view text) {
    std::u32string points = decoded(text);
    if (std::any_of(points.begin(), points.end(), [](char32_t c) { return c >= 0x80; }))
        return folded(points);
    for (char32_t& c : points)
        if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    return points;
}

std::uint64_t part_hash(std::u32string_view part, std::uint64_t kind) {
    return XXH3_64bits_withSeed(part.data(), part.size() * sizeof(char32_t), kind);
}

/// Parts of n characters, each with this weight.
void add_parts(std::u32string_view run, std::size_t n, float weight, Tokens& to) {
    for (std::size_t i = 0; i + n <= run.size(); ++i) to.push_back({part_hash(run.substr(i, n), n), weight});
}

void add_word(std::u32string_view word, std::u32string& marked, Tokens& to) {
    to.push_back({part_hash(word, 0), 1});
    if (std::all_of(word.begin(), word.end(), is_digit)) return;
    (marked.assign(1, kStart) += word) += kEnd;
    const std::size_t size = marked.size();
    const std::size_t parts = (size >= 3 ? size - 2 : 0) + (size >= 4 ? size - 3 : 0);
    const float weight = std::sqrt(kWordParts / static_cast<float>(std::max<std::size_t>(parts, 1)));
    add_parts(marked, 3, weight, to);
    add_parts(marked, 4, weight, to);
}

void add_unspaced(std::u32string_view run, Tokens& to) {
    for (std::size_t n = 1; n <= 3; ++n) add_parts(run, n, kUnspaced[n - 1], to);
}

/// Equal tokens become one, whose weight grows with the logarithm of their number.
void merge(Tokens& tokens) {
    std::sort(tokens.begin(), tokens.end(),
              [](const HashedToken& a, const HashedToken& b) { return a.hash < b.hash; });
    std::size_t kept = 0;
    for (std::size_t i = 0; i < tokens.size();) {
        std::size_t end = i;
        float weight = 0;
        for (; end < tokens.size() && tokens[end].hash == tokens[i].hash; ++end)
            weight = std::max(weight, tokens[end].weight);
        const float times = 1 + std::log(static_cast<float>(end - i));
        tokens[kept++] = {tokens[i].hash, weight * times};
        i = end;
    }
    tokens.resize(kept);
}

void encode_one(std::string_view text, float* to) {
    for (const auto& [hash, weight] : hashed_tokens(text))
        for (int i = 0; i < kCoordinates; ++i) {
            const std::uint64_t bits = hash >> i * (kCoordinateBits + 1);
            to[bits & (HashedTextEncoder::kWidth - 1)] += (bits >> kCoordinateBits & 1) ? weight : -weight;
        }
    double square = 0;
    for (std::int64_t i = 0; i < HashedTextEncoder::kWidth; ++i) square += double{to[i]} * double{to[i]};
    if (square == 0) return;
    const auto inverse = static_cast<float>(1 / std::sqrt(square));
    for (std::int64_t i = 0; i < HashedTextEncoder::kWidth; ++i) to[i] *= inverse;
}

}  // namespace

std::vector<HashedToken> hashed_tokens(std::string_view text) {
    const std::u32string points = read(text);
    Tokens tokens;
    std::u32string marked;
    for (std::size_t i = 0; i < points.size();) {
        const Class kind = class_of(points[i]);
        std::size_t end = i + 1;
        while (end < points.size() && class_of(points[end]) == kind) ++end;
        const std::u32string_view run = std::u32string_view(points).substr(i, end - i);
        if (kind == Class::Word) add_word(run, marked, tokens);
        if (kind == Class::Unspaced) add_unspaced(run, tokens);
        i = end;
    }
    merge(tokens);
    return tokens;
}

at::Tensor HashedTextEncoder::encode(std::span<const std::string_view> texts, Workers& workers,
                                     const std::function<void(double)>& poll) const {
    at::Tensor vectors = at::zeros({static_cast<std::int64_t>(texts.size()), kWidth});
    float* to = vectors.data_ptr<float>();
    workers.split(static_cast<std::int64_t>(texts.size()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            encode_one(texts[static_cast<std::size_t>(i)], to + i * kWidth);
            // the caller's thread has the first piece
            if (begin == 0 && poll && i % kTextsBetweenPolls == 0) poll(double(i) / double(end));
        }
    });
    return vectors;
}

}  // namespace seqrec::trainer
