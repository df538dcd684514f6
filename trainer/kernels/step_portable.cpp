#define SEQREC_LANES 4
#define SEQREC_TILE_ROWS 4
#define SEQREC_BLOCKED
#define SEQREC_TABLE portable_table
#define SEQREC_TABLE_NAME "portable"
#include "kernels/step_kernels.inc"
