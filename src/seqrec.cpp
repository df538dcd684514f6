// The library's entry point.
#include "jobs/job_folder.hpp"
#include "pg/boundary.hpp"
#include "pg/settings.hpp"
#include "serving/history.hpp"
#include "serving/serving_model.hpp"
#include "serving/snapshot_files.hpp"

extern "C" {

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
void _PG_init(void) {
    seqrec::settings::define();
    seqrec::watch_active_models();
    seqrec::watch_code();
    seqrec::sweep_also([] { seqrec::remove_dead_job_folders({}); });
}
}
