// From the ratings table to the dataset file.
#pragma once

#include <cstdint>

#include "jobs/job_store.hpp"
#include "tables/training_source.hpp"

namespace seqrec {

/// What an export saw.
/// 导出统计。
struct ExportCounts {
    std::int64_t users, items, interactions;
    std::int64_t skipped;  // rows with a NULL, or a time that is not finite
    double seconds;
    char* side_metrics;  // of further columns and tables, JSON
    char** warnings;     // what was skipped of them and why, up to a null
};

/// Prepares all that an export would read on behalf of `reader`, and reads nothing: what it would not be
/// allowed to is an ERROR.
/// 准备 reader 导出时将读取的一切而不实际读取；不允许者报错。
void check_training(TrainingSource& source, Oid reader);

/// The same for a refresh, which reads the table of items alone.
/// 同上，用于只读取物品表的刷新。
void check_items(SideTable& items, Oid reader);

/// Reads a job's ratings (unless it is a refresh), and the tables beside them, on behalf of its owner (source_rights.hpp), in the
/// current transaction, and writes `folder`/dataset.safetensors, which names the job. `on_progress` is called with the rows read so far about
/// four times a second. May ereport.
/// 代表任务所有者（见 source_rights.hpp）在当前事务中读取评分表及其旁的各表，并写出带有任务身份的数据集文件；
/// 约每秒四次报告已读行数。
/// `start`: the snapshot of the model whose items are kept (keep_items), null for none.
/// start 为需保留其物品的模型快照，没有则为空。
ExportCounts export_dataset(const Job& job, const char* folder, const char* start,
                            void (*on_progress)(std::int64_t rows));

/// The counts as metrics of the job, JSON in palloc'd memory; of a refresh those of the table of items alone.
/// 以 JSON 形式给出的导出指标；刷新任务只含物品表的指标。
char* export_metrics(const ExportCounts& counts, bool of_refresh);

}  // namespace seqrec
