#define SEQREC_LANES 4
#define SEQREC_TILE_ROWS 4
#define SEQREC_TABLE baseline_table
#define SEQREC_TABLE_NAME "baseline"
#include "kernels/kernels.inc"
