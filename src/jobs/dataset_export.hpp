// From the ratings table to the dataset file.
#pragma once

#include <cstdint>

#include "core/files/dataset_writer.hpp"

#include "jobs/job_store.hpp"
#include "tables/ratings_table.hpp"

namespace seqrec {

/// The row's id; long text lies in the row's memory.
/// 行中的 id；长文本位于该行的内存中。
Id id_of(const Column& column, Datum value);
/// Seconds since 1970, or the number itself; infinite for a time that is not finite.
/// 自 1970 年起的秒数或数值本身；非有限时间为无穷大。
double time_seconds(const Column& column, Datum value);

/// What an export saw.
/// 导出统计。
struct ExportCounts {
    std::int64_t users, items, interactions;
    std::int64_t skipped;  // rows with a NULL, or a time that is not finite
    double seconds;
};

/// Reads a job's ratings on behalf of its owner (source_rights.hpp), in the current transaction, and writes
/// `folder`/dataset.safetensors, which names the job. `on_progress` is called with the rows read so far about
/// four times a second. May ereport.
/// 代表任务所有者（见 source_rights.hpp）在当前事务中读取数据源并写出带有任务身份的数据集文件；
/// 约每秒四次报告已读行数。
ExportCounts export_dataset(const Job& job, const char* folder, void (*on_progress)(std::int64_t rows));

/// The counts as metrics of the job, JSON in palloc'd memory.
/// 以 JSON 形式给出的导出指标。
char* export_metrics(const ExportCounts& counts);

}  // namespace seqrec
