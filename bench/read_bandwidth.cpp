// How fast one thread reads a tensor of a mapped file, the same bytes that serving reads:
//
//     seqrec-read-bench FILE TENSOR PASSES
//
// prints one JSON object: bytes, which loads, and the best and the median time of the passes, in
// microseconds; the median of CPU time, too, which others on the machine disturb less.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <vector>

#include "core/files/safetensors.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using Bytes = std::span<const std::byte>;
struct Loads {
    const char* name;
    std::uint64_t (*read)(Bytes);  // something of every byte, so that no load is left out
};

std::uint64_t read_words(Bytes bytes) {
    std::uint64_t all[8] = {};
    for (std::size_t at = 0; at + sizeof all <= bytes.size(); at += sizeof all) {
        std::uint64_t words[8];
        std::memcpy(words, bytes.data() + at, sizeof words);
        for (int i = 0; i < 8; ++i) all[i] ^= words[i];
    }
    return all[0] ^ all[1] ^ all[2] ^ all[3] ^ all[4] ^ all[5] ^ all[6] ^ all[7];
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) std::uint64_t read_avx512(Bytes bytes) {
    __m512i all[4] = {};
    for (std::size_t at = 0; at + sizeof all <= bytes.size(); at += sizeof all)
        for (std::size_t i = 0; i < 4; ++i)
            all[i] = _mm512_xor_si512(all[i], _mm512_loadu_si512(bytes.data() + at + 64 * i));
    alignas(64) std::uint64_t words[8];
    _mm512_store_si512(words,
                       _mm512_xor_si512(_mm512_xor_si512(all[0], all[1]), _mm512_xor_si512(all[2], all[3])));
    return words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5] ^ words[6] ^ words[7];
}

__attribute__((target("avx2"))) std::uint64_t read_avx2(Bytes bytes) {
    __m256i all[4] = {};
    for (std::size_t at = 0; at + sizeof all <= bytes.size(); at += sizeof all)
        for (std::size_t i = 0; i < 4; ++i)
            all[i] = _mm256_xor_si256(
                all[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes.data() + at + 32 * i)));
    alignas(32) std::uint64_t words[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(words),
                       _mm256_xor_si256(_mm256_xor_si256(all[0], all[1]), _mm256_xor_si256(all[2], all[3])));
    return words[0] ^ words[1] ^ words[2] ^ words[3];
}
#endif

Loads widest() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {"avx512", read_avx512};
    if (__builtin_cpu_supports("avx2")) return {"avx2", read_avx2};
#endif
    return {"words", read_words};
}

double cpu_us() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

void measure(const char* path, const char* tensor, int passes) {
    const auto file = seqrec::SafetensorsFile::open(path);
    const Bytes bytes = file.tensor(tensor).bytes;
    const Loads loads = widest();
    std::uint64_t seen = loads.read(bytes);  // maps the pages
    std::vector<double> times, cpu;
    for (int pass = 0; pass < passes; ++pass) {
        const auto start = std::chrono::steady_clock::now();
        const double used = cpu_us();
        seen += loads.read(bytes);
        cpu.push_back(cpu_us() - used);
        times.push_back(
            std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    std::sort(cpu.begin(), cpu.end());
    std::printf(
        "{\"bytes\": %zu, \"loads\": \"%s\", \"best_us\": %.1f, \"median_us\": %.1f, \"median_cpu_us\": "
        "%.1f, "
        "\"sum\": %llu}\n",
        bytes.size(), loads.name, times.front(), times[times.size() / 2], cpu[cpu.size() / 2],
        static_cast<unsigned long long>(seen));
}

}  // namespace

int main(int count, char** arguments) {
    const int passes = count == 4 ? std::atoi(arguments[3]) : 0;
    if (passes < 1) {
        std::fprintf(stderr, "usage: %s FILE TENSOR PASSES\n", arguments[0]);
        return 2;
    }
    try {
        measure(arguments[1], arguments[2], passes);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
