// The library's entry point.
#include "boundary.hpp"
#include "history.hpp"
#include "serving_model.hpp"
#include "settings.hpp"

extern "C" {

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
void _PG_init(void) {
    seqrec::settings::define();
    seqrec::watch_active_models();
    seqrec::watch_code();
}
}
