#include "core/kernels/instructions.hpp"

#include <cstdlib>
#include <string_view>

namespace seqrec {
namespace {

Instructions of_cpu() {
    Instructions has;
#if defined(__x86_64__)
    __builtin_cpu_init();
    has.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    has.avx512 = has.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    has.vnni = has.avx512 && __builtin_cpu_supports("avx512vnni");
    has.bfloat16 = has.avx512 && __builtin_cpu_supports("avx512bf16");
#endif
    return has;
}

Instructions allowed() {
    Instructions use = of_cpu();
    const char* asked = std::getenv("SEQREC_ISA");
    const std::string_view most = asked ? asked : "";
    if (most == "avx512") use.bfloat16 = false;
    if (most == "avx2") use = {.avx2 = use.avx2};
    if (most == "portable") use = {};
    return use;
}

}  // namespace

const Instructions& instructions() {
    static const Instructions use = allowed();
    return use;
}

}  // namespace seqrec
