// All that a training reads: the ratings, further columns of them, and the tables beside them.
// PostgreSQL code: everything here may ereport.
#pragma once

#include "tables/ratings_table.hpp"
#include "tables/side_table.hpp"
#include "tables/training_options.hpp"

namespace seqrec {

/// Further columns of the ratings: those of `context` first, then label and event, where there are any.
/// 评分表的附加列：先是 context 中的列，再是标签列与事件列（若有）。
struct EventColumns {
    SideColumn* columns;
    int count;
    int context;           // how many are features
    int label, event;      // their places, -1 for none
    bool weighs_events;    // the option event_weights is given
    bool excludes_events;  // the option exclude_events is given
};

struct TrainingSource {
    RatingsTable ratings;
    EventColumns further;
    SideTable *items, *users;  // null for none
};

/// Opens what is asked for and finds the columns that `options` name.
/// Errors: those of each table; 22023 where options speak of a table that is not given.
/// 打开所需的各表，并查找 options 中指定的列。错误：各表自身的错误；
/// 选项涉及未给出的表时为 22023。
TrainingSource open_training(const RatingsTable& ratings, Oid items, Oid users,
                             const TrainingOptions& options);

/// As JSON for the tables, and back: that of the ratings with `items` and `users` beside it, each with
/// `id_column`. Serving reads the ratings alone from it (parse_ratings).
/// 与 JSON 互转：评分表的 JSON，另含 items 与 users（各带 id_column）；服务时只读取其中的评分表。
char* training_to_json(const TrainingSource& source);
TrainingSource parse_training(const char* json, const TrainingOptions& options);
/// The table of items alone, of a kind that takes text, with what a refresh's options say; ERROR 42P01 when it is gone.
/// 仅物品表（用于接受文本的类型），按刷新的选项打开；表已不存在时报错 42P01。
SideTable* parse_items(const char* json, const TrainingOptions& options);

/// Every column of the ratings that is read.
/// 读取的评分表各列。
struct ColumnList {
    Column* columns;
    int count;
};
ColumnList columns_of(const TrainingSource& source);
ColumnList columns_of(const SideTable& table);

}  // namespace seqrec
