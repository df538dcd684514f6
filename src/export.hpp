// From the ratings table to the dataset file.
#pragma once

#include <cstdint>

#include "ratings_table.hpp"

namespace seqrec {

/// What an export saw. 导出统计。
struct ExportCounts {
    std::int64_t users, items, interactions;
    std::int64_t skipped;  // rows with a NULL, or a time that is not finite
    double seconds;
};

/// Reads the ratings as the current user, in the current transaction, and writes
/// `folder`/dataset.safetensors. `on_progress` is called with the rows read so far about four times a second.
/// May ereport. 以当前用户身份在当前事务中读取数据源并写出数据集文件；约每秒四次报告已读行数。
ExportCounts export_dataset(const RatingsTable& ratings, const char* folder,
                            void (*on_progress)(std::int64_t rows));

/// The counts as metrics of the job, JSON in palloc'd memory. 以 JSON 形式给出的导出指标。
char* export_metrics(const ExportCounts& counts);

}  // namespace seqrec
