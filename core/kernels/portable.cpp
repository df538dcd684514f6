#define SEQREC_LANES 4
#define SEQREC_TILE_ROWS 5
#define SEQREC_KERNELS portable_encoder_kernels
#define SEQREC_KERNELS_NAME "portable"
#include "core/kernels/kernels.inc"
