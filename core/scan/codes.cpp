#include "core/scan/codes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "core/kernels/instructions.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace seqrec {
namespace {

constexpr float kLargest = 127;
constexpr std::size_t kAhead = 8192;  // bytes
// Rounding of float32 sums of products of unit vectors, in the exact scores and in the bounds themselves.
constexpr float kRounding = 1e-5f;

float largest(std::span<const float> values) {
    float most = 0;
    for (const float x : values) most = std::max(most, std::abs(x));
    return std::isfinite(most) ? most : 0;
}

/// Writes one row's bytes, 64 bytes from one chunk to the next; returns ‖row - its code‖ / scale.
double encode_row(std::span<const float> row, float unit, float scale, std::uint8_t* out) {
    double squares = 0;
    for (std::size_t j = 0; j < row.size(); ++j) {
        const float exact = row[j] * unit / scale, rounded = std::nearbyint(exact);
        squares += static_cast<double>(exact - rounded) * (exact - rounded);
        out[j / 4 * 4 * kGroupRows + j % 4] = static_cast<std::uint8_t>(static_cast<int>(rounded) + 128);
    }
    return std::sqrt(squares);
}

/// Four unsigned bytes times four signed ones, sixteen rows side by side.
void score_portable(const std::uint8_t* values, const float* scale, std::size_t groups, const Scoring& to) {
    const CodeQuery& query = *to.query;
    float* upper = to.upper;
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows, upper += kGroupRows) {
        std::int32_t dots[kGroupRows];
        std::fill_n(dots, kGroupRows, -query.bias);
        for (const std::int32_t& chunk : query.chunks) {
            const auto* bytes = reinterpret_cast<const std::int8_t*>(&chunk);
            for (std::size_t r = 0; r < kGroupRows; ++r, values += 4)
                dots[r] +=
                    values[0] * bytes[0] + values[1] * bytes[1] + values[2] * bytes[2] + values[3] * bytes[3];
        }
        to.mask[g] = 0;
        for (std::size_t r = 0; r < kGroupRows; ++r) {
            upper[r] = scale[r] * (query.step * static_cast<float>(dots[r]) + query.slack) + query.margin;
            to.mask[g] |= static_cast<std::uint16_t>((upper[r] >= to.least) << r);
        }
    }
}

void run_portable(const std::uint8_t* values, const float* scale, std::size_t groups,
                  std::span<const Scoring> scorings) {
    for (const Scoring& to : scorings) score_portable(values, scale, groups, to);
}

#if defined(__x86_64__)
#define SEQREC_AVX2 __attribute__((target("avx2,fma")))
#define SEQREC_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")))

/// The dots of eight rows from two sums a row each: rows 0 to 3 in a, 4 to 7 in b.
SEQREC_AVX2 inline __m256i pair_sums(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
}

SEQREC_AVX2 inline unsigned finish_avx2(__m256i dots, const float* scale, const CodeQuery& query, float least,
                                        float* upper) {
    const __m256 exact = _mm256_cvtepi32_ps(_mm256_sub_epi32(dots, _mm256_set1_epi32(query.bias)));
    const __m256 inner = _mm256_fmadd_ps(_mm256_set1_ps(query.step), exact, _mm256_set1_ps(query.slack));
    const __m256 bound = _mm256_fmadd_ps(_mm256_loadu_ps(scale), inner, _mm256_set1_ps(query.margin));
    _mm256_storeu_ps(upper, bound);
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(least), _CMP_GE_OQ)));
}

/// AVX2's own product of bytes saturates, so they become sixteen bits first.
SEQREC_AVX2 void score_avx2(const std::uint8_t* values, const float* scale, std::size_t groups,
                            const Scoring& to) {
    const CodeQuery& query = *to.query;
    float* upper = to.upper;
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows, upper += kGroupRows) {
        __m256i sums[4] = {};
        for (const std::int32_t chunk : query.chunks) {
            const __m256i bytes = _mm256_cvtepi8_epi16(_mm_set1_epi32(chunk));
#pragma GCC unroll 4
            for (int part = 0; part < 4; ++part, values += 16) {
                const __m256i codes =
                    _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
                sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(codes, bytes));
            }
        }
        const unsigned low = finish_avx2(pair_sums(sums[0], sums[1]), scale, query, to.least, upper);
        const unsigned high = finish_avx2(pair_sums(sums[2], sums[3]), scale + 8, query, to.least, upper + 8);
        to.mask[g] = static_cast<std::uint16_t>(low | high << 8);
    }
}

void run_avx2(const std::uint8_t* values, const float* scale, std::size_t groups,
              std::span<const Scoring> scorings) {
    for (const Scoring& to : scorings) score_avx2(values, scale, groups, to);
}

/// The bounds of group g's slots from their dots.
SEQREC_VNNI inline void finish_vnni(__m512i dots, const float* scale, std::size_t g, const Scoring& to) {
    typedef int Ints __attribute__((vector_size(64)));
    const CodeQuery& query = *to.query;
    const __m512 exact = __builtin_convertvector(reinterpret_cast<Ints>(dots), __m512);
    const __m512 inner = _mm512_fmadd_ps(_mm512_set1_ps(query.step), exact, _mm512_set1_ps(query.slack));
    const __m512 bound = _mm512_fmadd_ps(_mm512_loadu_ps(scale), inner, _mm512_set1_ps(query.margin));
    _mm512_storeu_ps(to.upper + g * kGroupRows, bound);
    to.mask[g] = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(to.least), _CMP_GE_OQ);
}

/// Four sums a group, so that they overlap; memory is read strictly in order, which is what prefetchers
/// follow.
SEQREC_VNNI void score_vnni(const std::uint8_t* values, const float* scale, std::size_t groups,
                            const Scoring& to) {
    const std::size_t chunks = to.query->chunks.size();
    const std::int32_t* bytes = to.query->chunks.data();
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows) {
        __m512i sums[4] = {_mm512_set1_epi32(-to.query->bias)};
        std::size_t c = 0;
        for (; c + 4 <= chunks; c += 4, values += 256) {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i)
                _mm_prefetch(reinterpret_cast<const char*>(values) + kAhead + i * 64, _MM_HINT_T0);
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i)
                sums[i] = _mm512_dpbusd_epi32(sums[i], _mm512_loadu_si512(values + i * 64),
                                              _mm512_set1_epi32(bytes[c + i]));
        }
        for (; c < chunks; ++c, values += 64)
            sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_loadu_si512(values), _mm512_set1_epi32(bytes[c]));
        const __m512i dots =
            _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
        finish_vnni(dots, scale, g, to);
    }
}

/// Several queries at a time share what is loaded, so that the multiplier is never short of work. Two sums a
/// query, so that they overlap; memory is read strictly in order here, too: two groups side by side, which
/// need no second sums, took twice as long from memory.
constexpr std::size_t kTogether = 4;
SEQREC_VNNI void score_together_vnni(const std::uint8_t* values, const float* scale, std::size_t groups,
                                     const Scoring* to) {
    const std::size_t chunks = to[0].query->chunks.size();
    const std::int32_t* bytes[kTogether];
    for (std::size_t q = 0; q < kTogether; ++q) bytes[q] = to[q].query->chunks.data();
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows) {
        __m512i even[kTogether], odd[kTogether];
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kTogether; ++q) {
            even[q] = _mm512_set1_epi32(-to[q].query->bias);
            odd[q] = _mm512_setzero_si512();
        }
        std::size_t c = 0;
        for (; c + 2 <= chunks; c += 2, values += 128) {
            _mm_prefetch(reinterpret_cast<const char*>(values) + kAhead, _MM_HINT_T0);
            _mm_prefetch(reinterpret_cast<const char*>(values) + kAhead + 64, _MM_HINT_T0);
            const __m512i first = _mm512_loadu_si512(values), second = _mm512_loadu_si512(values + 64);
#pragma GCC unroll 4
            for (std::size_t q = 0; q < kTogether; ++q) {
                even[q] = _mm512_dpbusd_epi32(even[q], first, _mm512_set1_epi32(bytes[q][c]));
                odd[q] = _mm512_dpbusd_epi32(odd[q], second, _mm512_set1_epi32(bytes[q][c + 1]));
            }
        }
        if (c < chunks) {
            const __m512i last = _mm512_loadu_si512(values);
            values += 64;
#pragma GCC unroll 4
            for (std::size_t q = 0; q < kTogether; ++q)
                even[q] = _mm512_dpbusd_epi32(even[q], last, _mm512_set1_epi32(bytes[q][c]));
        }
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kTogether; ++q)
            finish_vnni(_mm512_add_epi32(even[q], odd[q]), scale, g, to[q]);
    }
}

void run_vnni(const std::uint8_t* values, const float* scale, std::size_t groups,
              std::span<const Scoring> scorings) {
    for (; scorings.size() >= kTogether; scorings = scorings.subspan(kTogether))
        score_together_vnni(values, scale, groups, scorings.data());
    for (const Scoring& to : scorings) score_vnni(values, scale, groups, to);
}
#endif

constexpr CodeKernel kKernels[] = {
#if defined(__x86_64__)
    {"avx512vnni", run_vnni},
    {"avx2", run_avx2},
#endif
    {"portable", run_portable},
};

/// How many kernels at the front of the list are not to be run here.
std::size_t kernels_to_skip() {
    if (instructions().vnni) return 0;
    return std::size(kKernels) - (instructions().avx2 ? 2 : 1);
}

}  // namespace

float encode_rows(std::span<const float> matrix, std::span<const float> unit, std::size_t dim,
                  const CodesToFill& codes, const Poll& poll) {
    std::fill(codes.values.begin(), codes.values.end(), std::uint8_t{128});
    std::fill(codes.scale.begin(), codes.scale.end(), 0.0f);
    double error = 0;
    for (std::size_t slot = 0; slot < codes.item.size(); ++slot) {
        if (poll && slot % kPollEvery == 0) poll();
        if (codes.item[slot] < 0) continue;
        const auto item = static_cast<std::size_t>(codes.item[slot]);
        const auto row = matrix.subspan(item * dim, dim);
        const float scale = largest(row) * unit[item] / kLargest;
        if (!(scale > 0)) continue;
        codes.scale[slot] = scale;
        std::uint8_t* out =
            codes.values.data() + slot / kGroupRows * kGroupRows * codes.depth + slot % kGroupRows * 4;
        error = std::max(error, encode_row(row, unit[item], scale, out));
    }
    return static_cast<float>(error * 1.0001);
}

CodeQuery::CodeQuery(std::span<const float> query, const Codes& codes) : chunks(codes.depth / 4), bias(0) {
    const float scale = largest(query) / kLargest;
    double squares = 0, lost = 0;
    std::vector<std::int8_t> bytes(codes.depth);
    for (std::size_t j = 0; j < query.size() && scale > 0; ++j) {
        const float rounded = std::nearbyint(query[j] / scale), rest = query[j] - rounded * scale;
        bytes[j] = static_cast<std::int8_t>(rounded);
        bias += 128 * bytes[j];
        squares += static_cast<double>(query[j]) * query[j];
        lost += static_cast<double>(rest) * rest;
    }
    std::memcpy(chunks.data(), bytes.data(), bytes.size());
    const double length = std::sqrt(squares), rest = std::sqrt(lost);
    step = scale;
    slack = static_cast<float>(codes.error * (length + rest));
    margin = static_cast<float>(rest + kRounding * (length + 1));
}

std::span<const CodeKernel> code_kernels() {
    static const std::size_t skip = kernels_to_skip();
    return std::span(kKernels).subspan(skip);
}

}  // namespace seqrec
