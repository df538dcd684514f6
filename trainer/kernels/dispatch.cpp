#include <cstdlib>
#include <string_view>

#include "kernels/kernels.hpp"

namespace seqrec::kernels {
namespace {

const Table& choose() {
    const char* asked = std::getenv("SEQREC_ISA");
    const std::string_view wanted = asked ? asked : "";
#ifdef SEQREC_X86
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && wanted.empty() && __builtin_cpu_supports("avx512bf16")) return avx512_bf16_table();
    if (avx512 && (wanted.empty() || wanted == "avx512")) return avx512_table();
    if (avx2 && wanted != "baseline") return avx2_table();
#endif
    return baseline_table();
}

}  // namespace

const Table& table() {
    static const Table& chosen = choose();
    return chosen;
}

}  // namespace seqrec::kernels
