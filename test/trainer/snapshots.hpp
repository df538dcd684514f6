// Snapshots of model files, without a database.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/files/content_columns.hpp"
#include "core/files/snapshot_writer.hpp"
#include "shop.hpp"

namespace seqrec::trainer::testing {

/// Whether a tensor of a model file is a weight of its kind, and not a row of an item or a user.
/// 模型文件中的张量是否为该类型自身的权重，而非物品或用户的行。
inline bool is_weight(std::string_view name) {
    return is_kept_content(name) || (!name.starts_with("item.") && !name.starts_with("user.") &&
                                     !name.starts_with("pad.") && name != "checksum");
}

inline void add_rows(SnapshotWriter& writer, const SafetensorsFile& model, const Names& names) {
    const auto items = model.tensor("item.embedding").shape, users = model.tensor("user.embedding").shape;
    const auto row_of = [&](const char* name, const Shape& shape, std::int64_t row) {
        const auto width = static_cast<std::size_t>(shape[1]);
        return model.get<float>(name, shape).subspan(static_cast<std::size_t>(row) * width, width);
    };
    const bool indexed = model.contains("item.list");
    for (std::int64_t i = 0; i < items[0]; ++i)
        writer.item(
            i, names.items[static_cast<std::size_t>(i)], row_of("item.embedding", items, i),
            model.get<float>("item.popularity", {items[0]})[static_cast<std::size_t>(i)],
            indexed ? model.get<std::int32_t>("item.list", {items[0]})[static_cast<std::size_t>(i)] : -1);
    const auto offsets = model.get<std::int64_t>("user.seen.offsets", {users[0] + 1});
    const auto seen = model.get<std::int32_t>("user.seen.items", {-1});
    for (std::int64_t u = 0; u < users[0]; ++u) {
        const auto at = static_cast<std::size_t>(u);
        writer.user(u, names.users[at], row_of("user.embedding", users, u), 1,
                    seen.subspan(static_cast<std::size_t>(offsets[at]),
                                 static_cast<std::size_t>(offsets[at + 1] - offsets[at])));
    }
}

/// The snapshot of a model file, with these ids.
/// 由模型文件与所给 id 生成快照。
inline void write_snapshot(const SafetensorsFile& model, const Names& names, const std::string& path) {
    const auto items = model.tensor("item.embedding").shape, users = model.tensor("user.embedding").shape;
    const auto lists = nlohmann::json::parse(model.meta("config")).value("lists", std::int64_t{0});
    SnapshotWriter writer({.items = items[0],
                           .users = users[0],
                           .dim = items[1],
                           .user_dim = users[1],
                           .item_id_bytes = static_cast<std::int64_t>(total_length(names.items)),
                           .user_id_bytes = static_cast<std::int64_t>(total_length(names.users)),
                           .seen_items = model.tensor("user.seen.items").shape[0],
                           .lists = lists},
                          {model.meta("kind"), model.meta("score"), model.meta("config"),
                           "00000000-0000-4000-8000-000000000001"});
    for (const auto& [name, tensor] : model.tensors())
        if (is_weight(name)) writer.weight(name, tensor.dtype, tensor.shape);
    writer.create(path);
    for (const auto& [name, tensor] : model.tensors())
        if (is_weight(name)) writer.weight_part(name, 0, tensor.bytes);
    add_rows(writer, model, names);
    writer.commit();
}

}  // namespace seqrec::trainer::testing
