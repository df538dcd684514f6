// What seqrec_evaluate does once it knows what is wanted. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "core/measure/event_log.hpp"

#include "pg/boundary.hpp"
#include "sql/model_version.hpp"
#include "tables/ratings_table.hpp"

extern "C" {
#include "nodes/execnodes.h"
}

namespace seqrec {

struct LabelColumn {
    const char* name;  // null for none
    bool is_boolean;
};

/// A call's arguments, checked.
/// 检查过的调用参数。
struct EvaluateCall {
    ModelVersion version;
    std::int32_t* ks;  // ascending, each once
    int k_count;
    Split split;
    std::int64_t most_users;  // 0 = all
    bool baselines;
    float diversity;
    RatingsTable ratings;
    LabelColumn label;
    double positive_from, threshold;
};

/// Reads the table with the caller's rights, measures the model and puts its figures into the result.
/// 以调用者的权限读取表，评估模型，并将指标写入结果。
void run_evaluation(const EvaluateCall& call, ReturnSetInfo* info);

}  // namespace seqrec
