// The options of a training, read once: by who calls, and by the worker from the job's row. Everybody else is handed the values, plain
// data in palloc'd memory. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "pg/boundary.hpp"

extern "C" {
#include "nodes/pg_list.h"
}

namespace seqrec {

/// What they say about one table, in the database's encoding.
/// 关于一个表的选项，数据库编码。
struct SideOptions {
    const char* id_column;  ///< null for the default
    bool lists;             ///< the columns, else all are wanted
    List* names;
};

/// What they say about the words and vectors of items.
/// 关于物品文本与向量的选项。
struct ContentOptions {
    bool taken;           ///< by the kind
    bool takes_features;  ///< of items, beside
    SideOptions texts;
    const char* vector;  ///< null for none
};

/// An event in UTF-8, as the dataset has it, and what it counts.
/// 事件（UTF-8，与数据集一致）及其权重。
struct EventWeight {
    const char* event;
    float weight;
};

/// Whether the items of the model to start from stay, though no row is theirs any more.
/// 起始模型的物品在已无对应行时是否保留。
enum class KeepItems : std::uint8_t {
    No,
    Undecided,  ///< as its users did: those who are left are no reason to keep it
    Yes
};

struct TrainingOptions {
    const char*
        json;  ///< all of them, in the database's encoding: as the job's row and the trainer have them
    const char* init_from;  ///< the model, or version, to start from; null for none
    const char* activate;   ///< always, better or never
    int threads;            ///< 0: all cores
    KeepItems keep_items;
    SideOptions items, users, context;
    ContentOptions content;
    const char *label, *event_column;  ///< null for none
    const EventWeight* weights;        ///< event_weights; null where it is not given
    int weight_count;
    const char* const* excluded;  ///< exclude_events, in UTF-8
    int excluded_count;

    bool weighs_events() const { return weights != nullptr; }
    bool excludes_events() const { return excluded_count > 0; }
};

/// Of an object that resolve_options has made. C++ code: throws.
/// 由 resolve_options 给出的对象读取；C++ 代码，抛出异常。
TrainingOptions options_of(const nlohmann::json& resolved);

/// Of the text of a job's row, which an earlier version may have written: what it does not say is the default.
/// 由任务行的文本读取；可能出自早期版本，未写明者取默认值。
TrainingOptions parse_options(const char* json);

}  // namespace seqrec
