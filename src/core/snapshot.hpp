// The file that backends serve from: a model file plus what serving needs ready-made.
#pragma once

#include <memory>
#include <string>

#include "core/encoder.hpp"
#include "core/id_index.hpp"
#include "core/safetensors.hpp"

namespace seqrec {

/// One model version, mapped read-only: every process that opens it shares its pages. Beside the tensors of
/// the model file it holds `item.scale` (F32 [I], 1/‖embedding‖) and the id indexes `item.id.*`, `user.id.*`.
/// metadata: `format` = `seqrec-snapshot/1`, `kind`, `config`, `version` (the model's uuid).
/// 一个模型版本的只读映射，打开它的所有进程共享内存页。除模型文件的张量外，还含 item.scale 与 id 索引。
class Snapshot {
  public:
    /// Opens and checks a snapshot file. Errors: 58030 (can't open), XX001 (not a valid snapshot).
    static Snapshot open(const std::string& path);

    const SafetensorsFile& file() const { return *file_; }
    const Encoder& encoder() const { return encoder_; }
    const IdIndex& items() const { return items_; }
    const IdIndex& users() const { return users_; }
    std::span<const float> item_embedding() const { return item_embedding_; }
    std::span<const float> item_scale() const { return item_scale_; }
    std::span<const float> item_popularity() const { return item_popularity_; }
    int dim() const { return encoder_.dim(); }

  private:
    explicit Snapshot(std::unique_ptr<const SafetensorsFile> file);

    std::unique_ptr<const SafetensorsFile> file_;
    Encoder encoder_;
    IdIndex items_, users_;
    std::span<const float> item_embedding_, item_scale_, item_popularity_;
};

/// Writes a snapshot whose parts come from somewhere else, row by row: the extension fills it from the
/// tables. Order of calls: the constructor, weight() for each tensor of the encoder, create(), item() and
/// user() for every index once in any order (an index given twice or left out is an Error), commit().
/// 由外部逐行提供内容来写快照：扩展从表中填充。调用顺序：构造、weight()、create()、每个下标一次
/// item()/user()、commit()。
class SnapshotWriter {
  public:
    struct Size {
        std::int64_t items, users, dim;
        std::int64_t item_id_bytes, user_id_bytes;  // total length of the ids
    };

    SnapshotWriter(const Size& size, const std::string& kind, const std::string& config,
                   const std::string& version);

    /// Declares one encoder tensor; its bytes are given by weight_part() after create().
    void weight(std::string name, DType dtype, Shape shape);
    void create(const std::string& path);
    /// Copies a part of a tensor to byte `offset`; Error (data corrupted) when it does not fit.
    void weight_part(std::string_view name, std::size_t offset, std::span<const std::byte> part);
    /// Rows in index order: ids are appended, so index must be 0, 1, 2, … (Error otherwise).
    void item(std::int64_t index, std::string_view id, std::span<const float> embedding, float popularity);
    void user(std::int64_t index, std::string_view id, std::span<const float> embedding);
    /// Builds scales and hash tables, checks that nothing is missing, writes the file under its name.
    void commit();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;

  public:
    SnapshotWriter(SnapshotWriter&&) noexcept;
    ~SnapshotWriter();
};

}  // namespace seqrec
