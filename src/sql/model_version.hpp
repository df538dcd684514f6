// A version of a model, by what a caller says. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>

#include "pg/boundary.hpp"

namespace seqrec {

/// A row of seqrec.models, palloc'd.
/// seqrec.models 的一行，由 palloc 分配。
struct ModelVersion {
    std::int64_t model_id;
    const char *name, *version, *kind, *source, *score, *config, *metrics;
    Oid owner;
};

/// The active version of a model's name, or a version by its uuid; ERROR 42704 when there is none.
/// 模型名的启用版本，或 uuid 所指的版本；没有则报错 42704。
ModelVersion find_model_version(const char* wanted);

}  // namespace seqrec
