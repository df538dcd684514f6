#include "core/kernels/encoder_kernels.hpp"

#include <algorithm>
#include <vector>

#include "core/kernels/instructions.hpp"

namespace seqrec {
namespace {

std::vector<const EncoderKernels*> runnable_kernels() {
    std::vector<const EncoderKernels*> kernels;
#if defined(__x86_64__) && !defined(SEQREC_PORTABLE)
    const Instructions& use = instructions();
    if (use.bfloat16) kernels.push_back(&avx512bf16_encoder_kernels());
    if (use.avx512) kernels.push_back(&avx512_encoder_kernels());
    if (use.avx2) kernels.push_back(&avx2int16_encoder_kernels());
    if (use.avx2) kernels.push_back(&avx2_encoder_kernels());
#endif
    kernels.push_back(&portable_encoder_kernels());
    return kernels;
}

}  // namespace

std::span<const EncoderKernels* const> encoder_kernels() {
    static const std::vector<const EncoderKernels*> kernels = runnable_kernels();
    return kernels;
}

const EncoderKernels& fastest_encoder_kernels(bool exact) {
    const auto fits = [&](const EncoderKernels* k) { return !exact || k->exact; };
    const auto kernels = encoder_kernels();
    return **std::find_if(kernels.begin(), kernels.end(), fits);
}

}  // namespace seqrec
