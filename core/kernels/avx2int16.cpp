#include <immintrin.h>

#define SEQREC_LANES 8
#define SEQREC_TILE_ROWS 6
#define SEQREC_INT16
#define SEQREC_KERNELS avx2int16_encoder_kernels
#define SEQREC_KERNELS_NAME "avx2int16"
#include "core/kernels/kernels.inc"
