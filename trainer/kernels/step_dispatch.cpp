#include "core/kernels/instructions.hpp"
#include "kernels/step_kernels.hpp"

namespace seqrec::kernels {
namespace {

const Table& choose() {
#ifdef SEQREC_X86
    const Instructions& use = instructions();
    if (use.bfloat16) return avx512_bf16_table();
    if (use.avx512) return avx512_table();
    if (use.avx2) return avx2_table();
#endif
    return portable_table();
}

}  // namespace

const Table& table() {
    static const Table& chosen = choose();
    return chosen;
}

}  // namespace seqrec::kernels
