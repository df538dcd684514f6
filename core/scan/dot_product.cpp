#include "core/scan/dot_product.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "core/kernels/instructions.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace seqrec {
namespace {

/// Eight sums side by side are what compilers turn into SSE2 or NEON by themselves.
float dot_portable(const float* row, std::size_t dim, const float* query) {
    constexpr std::size_t kLanes = 8;
    std::array<float, kLanes> sums{};
    std::size_t j = 0;
    for (; j + kLanes <= dim; j += kLanes)
        for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += row[j + lane] * query[j + lane];
    for (std::size_t lane = 0; j < dim; ++j, ++lane) sums[lane] += row[j] * query[j];
    for (std::size_t width = kLanes / 2; width > 0; width /= 2)
        for (std::size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
    return sums[0];
}

void dots_portable(const float* rows, std::size_t count, std::size_t dim, const float* query, float* out) {
    for (std::size_t i = 0; i < count; ++i) out[i] = dot_portable(rows + i * dim, dim, query);
}

#if defined(__x86_64__)

/// Rows are taken four at a time: each part of the query is loaded once for four rows, the four chains of
/// additions overlap, and four sums are folded together. A last group of fewer rows repeats its last row, so
/// that every row goes through the very same additions.
constexpr std::size_t kGroup = 4;

struct Group {
    const float* row[kGroup];
    std::size_t count;
};

Group group_at(const float* rows, std::size_t at, std::size_t count, std::size_t dim) {
    Group group{{}, std::min(kGroup, count - at)};
    for (std::size_t r = 0; r < kGroup; ++r) group.row[r] = rows + (at + std::min(r, group.count - 1)) * dim;
    return group;
}

#define SEQREC_AVX2 __attribute__((target("avx2,fma")))
#define SEQREC_AVX512 __attribute__((target("avx512f,avx2,fma")))

/// The sums of the elements of four vectors.
SEQREC_AVX2 inline __m128 fold_avx2(__m256 a, __m256 b, __m256 c, __m256 d) {
    const __m256 ab = _mm256_hadd_ps(a, b), cd = _mm256_hadd_ps(c, d);
    const __m256 abcd = _mm256_hadd_ps(ab, cd);
    return _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1));
}

/// A mask that selects the first `length` of eight lanes.
SEQREC_AVX2 inline __m256i mask_avx2(std::size_t length) {
    alignas(32) static constexpr std::int32_t kWindow[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kWindow + 8 - length));
}

SEQREC_AVX2 void dots_avx2(const float* rows, std::size_t count, std::size_t dim, const float* query,
                           float* out) {
    const std::size_t whole = dim / 8 * 8;
    const __m256i mask = mask_avx2(dim - whole);
    for (std::size_t i = 0; i < count; i += kGroup) {
        const Group group = group_at(rows, i, count, dim);
        const auto [ra, rb, rc, rd] = group.row;
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (std::size_t j = 0; j < whole; j += 8) {
            const __m256 q = _mm256_loadu_ps(query + j);
            a = _mm256_fmadd_ps(_mm256_loadu_ps(ra + j), q, a);
            b = _mm256_fmadd_ps(_mm256_loadu_ps(rb + j), q, b);
            c = _mm256_fmadd_ps(_mm256_loadu_ps(rc + j), q, c);
            d = _mm256_fmadd_ps(_mm256_loadu_ps(rd + j), q, d);
        }
        if (whole < dim) {
            const __m256 q = _mm256_maskload_ps(query + whole, mask);
            a = _mm256_fmadd_ps(_mm256_maskload_ps(ra + whole, mask), q, a);
            b = _mm256_fmadd_ps(_mm256_maskload_ps(rb + whole, mask), q, b);
            c = _mm256_fmadd_ps(_mm256_maskload_ps(rc + whole, mask), q, c);
            d = _mm256_fmadd_ps(_mm256_maskload_ps(rd + whole, mask), q, d);
        }
        float sums[kGroup];
        _mm_storeu_ps(sums, fold_avx2(a, b, c, d));
        std::copy_n(sums, group.count, out + i);
    }
}

/// The sum of the two halves. (GCC 12 warns inside its own intrinsics for taking halves.)
SEQREC_AVX512 inline __m256 halve_avx512(__m512 v) {
    return _mm256_add_ps(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
                         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}

SEQREC_AVX512 void dots_avx512(const float* rows, std::size_t count, std::size_t dim, const float* query,
                               float* out) {
    const std::size_t whole = dim / 16 * 16;
    const auto mask = static_cast<__mmask16>((1u << (dim - whole)) - 1);
    for (std::size_t i = 0; i < count; i += kGroup) {
        const Group group = group_at(rows, i, count, dim);
        const auto [ra, rb, rc, rd] = group.row;
        __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
        for (std::size_t j = 0; j < whole; j += 16) {
            const __m512 q = _mm512_loadu_ps(query + j);
            a = _mm512_fmadd_ps(_mm512_loadu_ps(ra + j), q, a);
            b = _mm512_fmadd_ps(_mm512_loadu_ps(rb + j), q, b);
            c = _mm512_fmadd_ps(_mm512_loadu_ps(rc + j), q, c);
            d = _mm512_fmadd_ps(_mm512_loadu_ps(rd + j), q, d);
        }
        if (whole < dim) {
            const __m512 q = _mm512_maskz_loadu_ps(mask, query + whole);
            a = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, ra + whole), q, a);
            b = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, rb + whole), q, b);
            c = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, rc + whole), q, c);
            d = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, rd + whole), q, d);
        }
        float sums[kGroup];
        _mm_storeu_ps(sums, fold_avx2(halve_avx512(a), halve_avx512(b), halve_avx512(c), halve_avx512(d)));
        std::copy_n(sums, group.count, out + i);
    }
}

#endif

constexpr DotKernel kDotKernels[] = {
#if defined(__x86_64__)
    {"avx512", dots_avx512},
    {"avx2", dots_avx2},
#endif
    {"portable", dots_portable},
};

/// How many kernels at the front of the list are not to be run here.
std::size_t dot_kernels_to_skip() {
    if (instructions().avx512) return 0;
    return std::size(kDotKernels) - (instructions().avx2 ? 2 : 1);
}

}  // namespace

std::span<const DotKernel> dot_kernels() {
    static const std::size_t skip = dot_kernels_to_skip();
    return std::span(kDotKernels).subspan(skip);
}

void dot_products(const float* rows, std::size_t count, std::size_t dim, const float* query, float* out) {
    dot_kernels().front().run(rows, count, dim, query, out);
}

}  // namespace seqrec
