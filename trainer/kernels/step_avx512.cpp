#define SEQREC_LANES 16
#define SEQREC_TILE_ROWS 12
#define SEQREC_TABLE avx512_table
#define SEQREC_TABLE_NAME "avx512"
#include "kernels/step_kernels.inc"
