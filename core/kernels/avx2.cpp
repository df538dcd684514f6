#define SEQREC_LANES 8
#define SEQREC_TILE_ROWS 6
#define SEQREC_KERNELS avx2_encoder_kernels
#define SEQREC_KERNELS_NAME "avx2"
#include "core/kernels/kernels.inc"
