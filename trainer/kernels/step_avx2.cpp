#define SEQREC_LANES 8
#define SEQREC_TILE_ROWS 6
#define SEQREC_BLOCKED
#define SEQREC_TABLE avx2_table
#define SEQREC_TABLE_NAME "avx2"
#include "kernels/step_kernels.inc"
