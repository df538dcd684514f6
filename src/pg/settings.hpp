// The extension's settings (GUCs).
#pragma once

namespace seqrec::settings {

extern char* trainer;        // seqrec.trainer: path of seqrec-trainer, "" = beside the postgres program
extern char* directory;      // seqrec.directory: where snapshots and job files live, under the data directory
extern char* text_model;     // seqrec.text_model: folder of the language model, "" = none
extern int trainer_memory;   // seqrec.trainer_memory: limit in kB, 0 = none
extern int trainer_nice;     // seqrec.trainer_nice: scheduling priority
extern int trainer_silence;  // seqrec.trainer_silence: seconds without a line until it is ended, 0 = never
extern int trainer_threads;  // seqrec.trainer_threads: most threads of a job, 0 = as its options say
extern int keep_versions;    // seqrec.keep_versions: versions of a model kept by a publish, 0 = all
extern bool exact;           // seqrec.exact: float32 throughout, no index
extern int probes;           // seqrec.probes: lists of an index to read, 0 = the model's own number

/// Registers them; called once when the library is loaded.
/// 注册所有设置项；加载时调用一次。
void define();

}  // namespace seqrec::settings
