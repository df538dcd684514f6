#define SEQREC_LANES 16
#define SEQREC_TILE_ROWS 12
#define SEQREC_KERNELS avx512_encoder_kernels
#define SEQREC_KERNELS_NAME "avx512"
#include "core/kernels/kernels.inc"
