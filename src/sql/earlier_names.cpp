// Functions of 0.1.0 that 0.2.0 has under other names: a database that is not updated yet says so when it
// calls them, and its script can still be run, to be updated from.
#include "pg/catalog.hpp"

// clang-format off
#define SEQREC_EARLIER(name)                                                    \
    extern "C" {                                                                \
    PG_FUNCTION_INFO_V1(name);                                                  \
    Datum name(PG_FUNCTION_ARGS) {                                              \
        (void)fcinfo;                                                           \
        seqrec::report_old_extension();                                         \
    }                                                                           \
    }
// clang-format on

SEQREC_EARLIER(seqrec_recommend_text)
SEQREC_EARLIER(seqrec_recommend_bigint)
SEQREC_EARLIER(seqrec_similar_items_text)
SEQREC_EARLIER(seqrec_similar_items_bigint)
SEQREC_EARLIER(seqrec_score_text)
SEQREC_EARLIER(seqrec_score_bigint)
SEQREC_EARLIER(seqrec_score_one_text)
SEQREC_EARLIER(seqrec_score_one_bigint)
SEQREC_EARLIER(seqrec_explain_text)
SEQREC_EARLIER(seqrec_explain_bigint)
