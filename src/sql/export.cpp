// The SQL function that hands a model out as files: seqrec_export.
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/model_export.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "serving/snapshot_ready.hpp"
#include "sql/arguments.hpp"
#include "sql/model_version.hpp"
#include "sql/result_rows.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

namespace seqrec {
namespace {

constexpr std::size_t kMostBytes = MaxAllocSize - 1024;  // of a row, its header and the name included

// The tensors of a model file that no kind's weights are.
constexpr const char* kRows[] = {"item.embedding", "item.popularity", "user.embedding"};

void check_size(const char* file, std::size_t bytes) {
    if (bytes <= kMostBytes) return;
    throw Error("54000", std::string(file) + " would have " + std::to_string(bytes) + " bytes",
                "A value of PostgreSQL holds less than 1 GB. Read the rows of seqrec.items, seqrec.users and "
                "seqrec.weights instead.");
}

/// One file, filled in where it will be read from. `write(span)` is C++.
template <typename Write>
void put_file(ReturnSetInfo* info, const char* file, std::size_t bytes, Write write) {
    check_size(file, bytes);
    auto* content = static_cast<bytea*>(postgres([&] { return palloc(bytes + VARHDRSZ); }));
    SET_VARSIZE(content, bytes + VARHDRSZ);
    write(std::span(reinterpret_cast<std::byte*>(VARDATA(content)), bytes));
    postgres([&] {
        Datum values[2] = {CStringGetTextDatum(file), PointerGetDatum(content)};
        bool nulls[2] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
        pfree(content);
    });
}

void put_text(ReturnSetInfo* info, const char* file, const std::string& text) {
    put_file(info, file, text.size(),
             [&](std::span<std::byte> to) { memcpy(to.data(), text.data(), text.size()); });
}

/// Names of the kind's own weights.
struct Names {
    char** names;
    std::uint64_t count;
};

Names weight_names(std::int64_t model_id) {
    const MemoryContext outside = CurrentMemoryContext;
    const RoleScope scope = spi_enter();
    Names found{nullptr,
                run_sql("SELECT name FROM seqrec.weights WHERE model_id = $1 AND part = 0 ORDER BY name",
                        {bigint_param(model_id)}, true)};
    found.names = static_cast<char**>(MemoryContextAlloc(outside, sizeof(char*) * (found.count + 1)));
    for (std::uint64_t i = 0; i < found.count; ++i)
        found.names[i] = MemoryContextStrdup(outside, spi_text(i, 1));
    spi_leave(scope);
    return found;
}

void put_model(ReturnSetInfo* info, const ModelVersion& version, const Names& names,
               const SafetensorsFile& file) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (std::uint64_t i = 0; i < names.count; ++i)
        tensors.emplace_back(names.names[i], file.tensor(names.names[i]));
    for (const char* name : kRows) tensors.emplace_back(name, file.tensor(name));
    const std::map<std::string, std::string> metadata = {
        {"format", "seqrec-model/2"},          {"kind", to_utf8(version.kind)},
        {"score", to_utf8(version.score)},     {"config", to_utf8(version.config)},
        {"metrics", to_utf8(version.metrics)}, {"version", version.version}};
    const SafetensorsImage image(metadata, std::move(tensors));
    put_file(info, "model.safetensors", image.size(), [&](std::span<std::byte> to) { image.write(to); });
}

void put_item_vectors(ReturnSetInfo* info, const seqrec::Snapshot& snapshot) {
    const std::string header = npy_header(snapshot.items().size(), snapshot.dim());
    const std::size_t bytes = header.size() + snapshot.rows().matrix.size_bytes();
    put_file(info, "item_embeddings.npy", bytes, [&](std::span<std::byte> to) {
        memcpy(to.data(), header.data(), header.size());
        write_item_vectors(snapshot, to.subspan(header.size()));
    });
}

std::string config_json(const ModelVersion& version) {
    const auto parsed = [](const char* json) { return nlohmann::json::parse(to_utf8(json)); };
    const nlohmann::json source = parsed(version.source);
    nlohmann::json columns;
    for (const char* key : {"relation", "user_column", "item_column", "time_column"})
        columns[key] = source.value(key, nlohmann::json());
    return nlohmann::json{{"model", to_utf8(version.name)},
                          {"kind", to_utf8(version.kind)},
                          {"version", version.version},
                          {"score", parsed(version.score)},
                          {"config", parsed(version.config)},
                          {"metrics", parsed(version.metrics)},
                          {"source", columns}}
               .dump(2) +
           "\n";
}

/// What would be too long is not made first.
void put_map(ReturnSetInfo* info, const char* file, const char* prefix, const seqrec::Snapshot& snapshot,
             const IdIndex& ids) {
    check_size(file, snapshot.file().tensor(std::string(prefix) + ".id.bytes").bytes.size());
    put_text(info, file, id_map_json(ids, to_utf8));
}

void put_files(ReturnSetInfo* info, const ModelVersion& version, const Names& names,
               const seqrec::Snapshot& snapshot) {
    put_model(info, version, names, snapshot.file());
    put_item_vectors(info, snapshot);
    put_map(info, "item_map.json", "item", snapshot, snapshot.items());
    put_map(info, "user_map.json", "user", snapshot, snapshot.users());
    put_text(info, "config.json", config_json(version));
}

}  // namespace
}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_export);
Datum seqrec_export(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    const std::string_view model = read_model(fcinfo, 0);
    const ModelVersion version = find_model_version(pnstrdup(model.data(), model.size()));
    require_role(version.owner, psprintf("model \"%s\"", version.name));
    const Names names = weight_names(version.model_id);
    ReturnSetInfo* info = begin_rows(fcinfo);
    const auto* snapshot = open_snapshot(version.model_id, version.version);
    guarded([&] {
        const std::unique_ptr<const seqrec::Snapshot> owned(snapshot);
        put_files(info, version, names, *owned);
    });
    return (Datum)0;
}
}
