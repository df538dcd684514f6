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
constexpr std::size_t kStartChunks = 4;  // whose pairs are added in sixteen bits
// How far ahead of what is multiplied memory is asked for, in bytes: measured on Zen 3 for AVX2, where 8192 reads 1,000,000
// rows in 1.13 times the time of a plain read and 1024 in 1.03; every line, or it is twice that.
constexpr std::size_t kAhead = 8192, kAheadAvx2 = 1024;
// Rounding of float32 sums of products of unit vectors, in the exact scores and in the bounds themselves.
constexpr float kRounding = 1e-5f;

float largest(std::span<const float> values) {
    float most = 0;
    for (const float x : values) most = std::max(most, std::abs(x));
    return std::isfinite(most) ? most : 0;
}

/// The step of a query's bytes: as fine as its numbers allow, and the sums of them that a kernel adds up. Rounding
/// adds no more than a half to each.
float query_step(std::span<const float> query, const SumLimits& limits) {
    const auto size_of = [&](std::size_t at) { return at < query.size() ? std::abs(query[at]) : 0; };
    float step = largest(query) / kLargest;
    for (std::size_t lane = 0; lane < query.size(); lane += lane % 4 == 0 ? 2 : 4 * kStartChunks - 2) {
        float eight = 0;
        for (std::size_t at = lane; at < lane + 4 * kStartChunks; at += 4) {
            const float pair = size_of(at) + size_of(at + 1);
            step = std::max(step, pair / static_cast<float>(limits.pair - 1));
            eight += pair;
        }
        step = std::max(step, eight / static_cast<float>(limits.eight - 4));
    }
    return std::isfinite(step) ? step : 0;
}

/// CodeQuery::starts.
std::vector<std::int32_t> starts_of(std::span<const std::int8_t> bytes) {
    constexpr std::size_t kColumns = 4 * kStartChunks;
    std::vector<std::int32_t> starts((bytes.size() + kColumns - 1) / kColumns);
    for (std::size_t i = 0; i < starts.size(); ++i) {
        std::int16_t lanes[2] = {};
        for (std::size_t j = i * kColumns; j < std::min((i + 1) * kColumns, bytes.size()); ++j)
            lanes[j % 4 / 2] = static_cast<std::int16_t>(lanes[j % 4 / 2] - 128 * bytes[j]);
        std::memcpy(&starts[i], lanes, sizeof lanes);
    }
    return starts;
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

SEQREC_AVX2 inline unsigned finish_avx2(__m256i dots, const float* scale, const Scoring& to, float* upper) {
    const CodeQuery& query = *to.query;
    const __m256 inner =
        _mm256_fmadd_ps(_mm256_set1_ps(query.step), _mm256_cvtepi32_ps(dots), _mm256_set1_ps(query.slack));
    const __m256 bound = _mm256_fmadd_ps(_mm256_loadu_ps(scale), inner, _mm256_set1_ps(query.margin));
    _mm256_storeu_ps(upper, bound);
    return static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(bound, _mm256_set1_ps(to.least), _CMP_GE_OQ)));
}

/// AVX2 multiplies unsigned bytes with signed ones and adds two products in sixteen bits, where more than `pair`
/// would saturate. Four of those sums may wrap around on their way: they begin at -128 times the query's
/// bytes, which is what the codes have too much, so that what comes out is a sum of codes from -128 to 127 times
/// bytes, and those are no more than `eight` together. Only then does it become 32 bits, which costs as much as
/// one more multiplication.
constexpr SumLimits kLimitsAvx2{128, 255};
static_assert(255 * kLimitsAvx2.pair <= 32767 && 128 * kLimitsAvx2.eight <= 32767);

/// Keeps the compiler from reordering sums into trees, whose parts do not fit the registers: half as fast.
SEQREC_AVX2 inline void keep_order(__m256i& sum) { asm("" : "+x"(sum)); }

/// Sums of one query over a group: rows 0 to 7 and 8 to 15.
struct SumsAvx2 {
    __m256i low, high;
};

/// What `count` chunks of a group, four at most, add to the dots of some queries; `at` is the first.
template <std::size_t kQueries>
SEQREC_AVX2 __attribute__((always_inline)) inline void add_chunks_avx2(const std::uint8_t* values,
                                                                       std::size_t at, std::size_t count,
                                                                       const Scoring* to, SumsAvx2* dots) {
    SumsAvx2 sums[kQueries];
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQueries; ++q)
        sums[q].low = sums[q].high = _mm256_set1_epi32(to[q].query->starts[at / kStartChunks]);
#pragma GCC unroll 4
    for (std::size_t c = 0; c < count; ++c, values += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(values) + kAheadAvx2, _MM_HINT_T0);
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values)),
                      high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + 32));
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kQueries; ++q) {
            const __m256i bytes = _mm256_set1_epi32(to[q].query->chunks[at + c]);
            sums[q].low = _mm256_add_epi16(sums[q].low, _mm256_maddubs_epi16(low, bytes));
            sums[q].high = _mm256_add_epi16(sums[q].high, _mm256_maddubs_epi16(high, bytes));
            keep_order(sums[q].low);
            keep_order(sums[q].high);
        }
    }
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
    for (std::size_t q = 0; q < kQueries; ++q) {
        dots[q].low = _mm256_add_epi32(dots[q].low, _mm256_madd_epi16(sums[q].low, ones));
        dots[q].high = _mm256_add_epi32(dots[q].high, _mm256_madd_epi16(sums[q].high, ones));
    }
}

/// Some queries share what is loaded of a group.
template <std::size_t kQueries>
SEQREC_AVX2 void score_avx2(const std::uint8_t* values, const float* scale, std::size_t groups,
                            const Scoring* to) {
    const std::size_t chunks = to[0].query->chunks.size();
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows, values += 64 * chunks) {
        SumsAvx2 dots[kQueries];
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kQueries; ++q) dots[q].low = dots[q].high = _mm256_setzero_si256();
        std::size_t c = 0;
        for (; c + kStartChunks <= chunks; c += kStartChunks)
            add_chunks_avx2<kQueries>(values + 64 * c, c, kStartChunks, to, dots);
        if (c < chunks) add_chunks_avx2<kQueries>(values + 64 * c, c, chunks - c, to, dots);
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kQueries; ++q) {
            float* upper = to[q].upper + g * kGroupRows;
            const unsigned low = finish_avx2(dots[q].low, scale, to[q], upper),
                           high = finish_avx2(dots[q].high, scale + 8, to[q], upper + 8);
            to[q].mask[g] = static_cast<std::uint16_t>(low | high << 8);
        }
    }
}

/// Three at a time: sums and dots of more do not fit sixteen registers.
constexpr std::size_t kTogetherAvx2 = 3;
void run_avx2(const std::uint8_t* values, const float* scale, std::size_t groups,
              std::span<const Scoring> scorings) {
    for (; scorings.size() >= kTogetherAvx2; scorings = scorings.subspan(kTogetherAvx2))
        score_avx2<kTogetherAvx2>(values, scale, groups, scorings.data());
    for (const Scoring& to : scorings) score_avx2<1>(values, scale, groups, &to);
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
constexpr std::size_t kTogetherVnni = 4;
SEQREC_VNNI void score_together_vnni(const std::uint8_t* values, const float* scale, std::size_t groups,
                                     const Scoring* to) {
    const std::size_t chunks = to[0].query->chunks.size();
    const std::int32_t* bytes[kTogetherVnni];
    for (std::size_t q = 0; q < kTogetherVnni; ++q) bytes[q] = to[q].query->chunks.data();
    for (std::size_t g = 0; g < groups; ++g, scale += kGroupRows) {
        __m512i even[kTogetherVnni], odd[kTogetherVnni];
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kTogetherVnni; ++q) {
            even[q] = _mm512_set1_epi32(-to[q].query->bias);
            odd[q] = _mm512_setzero_si512();
        }
        std::size_t c = 0;
        for (; c + 2 <= chunks; c += 2, values += 128) {
            _mm_prefetch(reinterpret_cast<const char*>(values) + kAhead, _MM_HINT_T0);
            _mm_prefetch(reinterpret_cast<const char*>(values) + kAhead + 64, _MM_HINT_T0);
            const __m512i first = _mm512_loadu_si512(values), second = _mm512_loadu_si512(values + 64);
#pragma GCC unroll 4
            for (std::size_t q = 0; q < kTogetherVnni; ++q) {
                even[q] = _mm512_dpbusd_epi32(even[q], first, _mm512_set1_epi32(bytes[q][c]));
                odd[q] = _mm512_dpbusd_epi32(odd[q], second, _mm512_set1_epi32(bytes[q][c + 1]));
            }
        }
        if (c < chunks) {
            const __m512i last = _mm512_loadu_si512(values);
            values += 64;
#pragma GCC unroll 4
            for (std::size_t q = 0; q < kTogetherVnni; ++q)
                even[q] = _mm512_dpbusd_epi32(even[q], last, _mm512_set1_epi32(bytes[q][c]));
        }
#pragma GCC unroll 4
        for (std::size_t q = 0; q < kTogetherVnni; ++q)
            finish_vnni(_mm512_add_epi32(even[q], odd[q]), scale, g, to[q]);
    }
}

void run_vnni(const std::uint8_t* values, const float* scale, std::size_t groups,
              std::span<const Scoring> scorings) {
    for (; scorings.size() >= kTogetherVnni; scorings = scorings.subspan(kTogetherVnni))
        score_together_vnni(values, scale, groups, scorings.data());
    for (const Scoring& to : scorings) score_vnni(values, scale, groups, to);
}
#endif

constexpr SumLimits kNoLimits{1 << 20, 1 << 20};
constexpr CodeKernel kCodeKernels[] = {
#if defined(__x86_64__)
    {"avx512vnni", kNoLimits, kTogetherVnni, run_vnni},
    {"avx2", kLimitsAvx2, kTogetherAvx2, run_avx2},
#endif
    {"portable", kNoLimits, 1, run_portable},
};

/// How many kernels at the front of the list are not to be run here.
std::size_t code_kernels_to_skip() {
    if (instructions().vnni) return 0;
    return std::size(kCodeKernels) - (instructions().avx2 ? 2 : 1);
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

CodeQuery::CodeQuery(std::span<const float> query, const Codes& codes)
    : CodeQuery(query, codes, code_kernels().front().limits) {}

CodeQuery::CodeQuery(std::span<const float> query, const Codes& codes, const SumLimits& limits)
    : chunks(codes.depth / 4), bias(0), step(query_step(query, limits)) {
    double squares = 0, lost = 0;
    std::vector<std::int8_t> bytes(codes.depth);
    for (std::size_t j = 0; j < query.size() && step > 0; ++j) {
        const float rounded = std::nearbyint(query[j] / step), rest = query[j] - rounded * step;
        bytes[j] = static_cast<std::int8_t>(rounded);
        bias += 128 * bytes[j];
        squares += static_cast<double>(query[j]) * query[j];
        lost += static_cast<double>(rest) * rest;
    }
    std::memcpy(chunks.data(), bytes.data(), bytes.size());
    starts = starts_of(bytes);
    const double length = std::sqrt(squares), rest = std::sqrt(lost);
    slack = static_cast<float>(codes.error * (length + rest));
    margin = static_cast<float>(rest + kRounding * (length + 1));
}

std::span<const CodeKernel> code_kernels() {
    static const std::size_t skip = code_kernels_to_skip();
    return std::span(kCodeKernels).subspan(skip);
}

}  // namespace seqrec
