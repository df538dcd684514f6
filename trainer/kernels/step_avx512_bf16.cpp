#include <immintrin.h>

#define SEQREC_LANES 16
#define SEQREC_TILE_ROWS 12
#define SEQREC_BFLOAT16
#define SEQREC_TABLE avx512_bf16_table
#define SEQREC_TABLE_NAME "avx512_bf16"
#include "kernels/step_kernels.inc"
