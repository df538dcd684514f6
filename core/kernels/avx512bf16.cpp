#include <immintrin.h>

#define SEQREC_LANES 16
#define SEQREC_TILE_ROWS 12
#define SEQREC_BFLOAT16
#define SEQREC_KERNELS avx512bf16_encoder_kernels
#define SEQREC_KERNELS_NAME "avx512bf16"
#include "core/kernels/kernels.inc"
