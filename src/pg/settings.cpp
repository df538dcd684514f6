#include "pg/settings.hpp"

#include <limits>

#include "pg/boundary.hpp"

extern "C" {
#include "utils/guc.h"
}

namespace seqrec::settings {

char* trainer = nullptr;
char* directory = nullptr;
char* text_model = nullptr;
int trainer_memory = 0;
int trainer_nice = 10;
int trainer_silence = 60;
int trainer_threads = 0;
int keep_versions = 5;
bool exact = false;
int probes = 0;

void define() {
    // Paths are SIGHUP settings: whoever may set them decides which program the server starts.
    DefineCustomStringVariable("seqrec.trainer", "Path of the program seqrec-trainer.",
                               "Empty means the folder of the postgres program.", &trainer, "", PGC_SIGHUP, 0,
                               nullptr, nullptr, nullptr);
    DefineCustomStringVariable("seqrec.directory", "Folder of seqrec's snapshot and job files.",
                               "A relative path starts at the data directory.", &directory, "seqrec",
                               PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    // A path never comes from an ordinary user, and tells one nothing.
    DefineCustomStringVariable(
        "seqrec.text_model", "Folder of the language model that reads the text of items.",
        "A relative path starts at the data directory. Empty means none: words are hashed.", &text_model, "",
        PGC_SIGHUP, GUC_SUPERUSER_ONLY, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("seqrec.trainer_memory", "Most memory that a trainer may use.",
                            "0 means no limit of its own.", &trainer_memory, 0, 0,
                            std::numeric_limits<int>::max(), PGC_SIGHUP, GUC_UNIT_KB, nullptr, nullptr,
                            nullptr);
    DefineCustomIntVariable("seqrec.trainer_nice", "Niceness of a trainer: higher yields more to the server.",
                            nullptr, &trainer_nice, 10, 0, 19, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "seqrec.trainer_silence", "Time without a sign of life after which a trainer is ended.",
        "A sign is a new line or use of the CPU. 0 means never.", &trainer_silence, 60, 0,
        std::numeric_limits<int>::max() / 1000, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("seqrec.trainer_threads", "Most threads that a trainer may compute with.",
                            "0 means as many as the job's options say, which is all cores by default.",
                            &trainer_threads, 0, 0, 1024, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("seqrec.keep_versions", "Versions of a model that publishing a new one keeps.",
                            "The active version is always kept. 0 keeps all.", &keep_versions, 5, 0, 10000,
                            PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("seqrec.exact", "Computes recommendations in float32 throughout.",
                             "Encoder and scan then use neither narrower numbers nor an index; slower, for "
                             "comparison.",
                             &exact, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("seqrec.probes", "Lists of a model's index that a recommendation reads.",
                            "0 means as many as the model was measured with. More is slower and finds more.",
                            &probes, 0, 0, std::numeric_limits<int>::max(), PGC_USERSET, 0, nullptr, nullptr,
                            nullptr);
    MarkGUCPrefixReserved("seqrec");
}

}  // namespace seqrec::settings
