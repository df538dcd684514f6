#include "core/scan/dot_product.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <random>
#include <vector>

namespace seqrec {
namespace {

std::vector<float> random_floats(std::size_t n, unsigned seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(engine);
    return values;
}

/// The simple loop, in double, and the sum of the absolute values, to which errors are relative.
struct Exact {
    double dot = 0, absolute = 0;
    Exact(const float* a, const float* b, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            dot += static_cast<double>(a[i]) * b[i];
            absolute += std::abs(static_cast<double>(a[i]) * b[i]);
        }
    }
};

TEST(DotProducts, PortableIsAlwaysThere) {
    ASSERT_FALSE(dot_kernels().empty());
    EXPECT_EQ(dot_kernels().back().name, "portable");
}

#if defined(__x86_64__)
TEST(DotProducts, EveryKernelTheCpuCanRunIsOffered) {
    const std::size_t wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    EXPECT_EQ(dot_kernels().size(), 1 + wide + (wide && __builtin_cpu_supports("avx512f")));
}
#endif

TEST(DotProducts, EveryKernelAgreesWithTheSimpleLoop) {
    for (const DotKernel& kernel : dot_kernels()) {
        for (std::size_t dim = 0; dim <= 70; ++dim) {
            for (const std::size_t count : {0, 1, 2, 3, 4, 5, 7, 8, 9}) {
                const auto rows = random_floats(count * dim, 1), query = random_floats(dim, 2);
                std::vector<float> out(count + 1, 12345.0f);
                kernel.run(rows.data(), count, dim, query.data(), out.data());
                for (std::size_t i = 0; i < count; ++i) {
                    const Exact exact(rows.data() + i * dim, query.data(), dim);
                    ASSERT_NEAR(out[i], exact.dot, 1e-6 * exact.absolute) << kernel.name << " dim " << dim;
                }
                ASSERT_EQ(out[count], 12345.0f) << kernel.name << " wrote past the end";
            }
        }
    }
}

/// Floats that end where memory ends: a read past the last one is a crash, with or without a sanitizer.
class GuardedFloats {
  public:
    explicit GuardedFloats(std::size_t count) : count_(count) {
        void* pages = mmap(nullptr, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || count * sizeof(float) > page()) throw std::bad_alloc();
        pages_ = static_cast<std::byte*>(pages);
        mprotect(pages_ + page(), page(), PROT_NONE);
    }
    GuardedFloats(const GuardedFloats&) = delete;
    GuardedFloats& operator=(const GuardedFloats&) = delete;
    ~GuardedFloats() { munmap(pages_, 2 * page()); }

    float* begin() const { return reinterpret_cast<float*>(pages_ + page()) - count_; }
    float* end() const { return begin() + count_; }

  private:
    static std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

    std::size_t count_;
    std::byte* pages_ = nullptr;
};

TEST(DotProducts, ReadNothingOutsideTheirRows) {
    for (const DotKernel& kernel : dot_kernels()) {
        for (std::size_t dim = 1; dim <= 40; ++dim) {
            for (std::size_t count = 1; count <= 5; ++count) {
                const GuardedFloats rows(count * dim), query(dim), out(count);
                std::fill(rows.begin(), rows.end(), 1.0f);
                std::fill(query.begin(), query.end(), 2.0f);
                kernel.run(rows.begin(), count, dim, query.begin(), out.begin());
                for (const float dot : out) ASSERT_EQ(dot, 2.0f * static_cast<float>(dim)) << kernel.name;
            }
        }
    }
}

TEST(DotProducts, ARowScoresTheSameWhereverItLies) {
    for (const DotKernel& kernel : dot_kernels()) {
        for (const std::size_t dim : {1, 8, 24, 64, 100}) {
            const auto row = random_floats(dim, 3), query = random_floats(dim, 4);
            std::vector<float> rows, out(11);
            for (int i = 0; i < 11; ++i) rows.insert(rows.end(), row.begin(), row.end());
            kernel.run(rows.data(), out.size(), dim, query.data(), out.data());
            for (const float dot : out) ASSERT_EQ(dot, out[0]) << kernel.name << " dim " << dim;
        }
    }
}

TEST(DotProducts, CarryNaNAndInfinity) {
    for (const DotKernel& kernel : dot_kernels()) {
        for (std::size_t at = 0; at < 19; ++at) {
            std::vector<float> rows(2 * 19, 1.0f), query(19, 1.0f), out(2);
            rows[at] = NAN;
            rows[19 + at] = INFINITY;
            kernel.run(rows.data(), 2, 19, query.data(), out.data());
            EXPECT_TRUE(std::isnan(out[0])) << kernel.name;
            EXPECT_EQ(out[1], INFINITY) << kernel.name;
        }
    }
}

TEST(DotProducts, TheDefaultIsTheFirstKernel) {
    const auto rows = random_floats(5 * 30, 5), query = random_floats(30, 6);
    float chosen[5], first[5];
    dot_products(rows.data(), 5, 30, query.data(), chosen);
    dot_kernels().front().run(rows.data(), 5, 30, query.data(), first);
    EXPECT_EQ(std::memcmp(chosen, first, sizeof chosen), 0);
}

}  // namespace
}  // namespace seqrec
