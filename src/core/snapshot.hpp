// The file that backends serve from: a model file plus what serving needs ready-made.
#pragma once

#include <memory>
#include <string>

#include "core/codes.hpp"
#include "core/encoder.hpp"
#include "core/id_index.hpp"
#include "core/lists.hpp"
#include "core/poll.hpp"
#include "core/safetensors.hpp"
#include "core/top_k.hpp"

namespace seqrec {

/// One model version, mapped read-only: every process that opens it shares its pages. Beside the tensors of
/// the model file it holds `item.scale` (F32 [I], 1/‖embedding‖), the id indexes `item.id.*`, `user.id.*`,
/// and the rows in one byte a number: `code.*`. metadata: `format` = `seqrec-snapshot/1`, `kind`, `config`,
/// `version` (the model's uuid). 一个模型版本的只读映射，打开它的所有进程共享内存页。除模型文件的张量外，还含
/// item.scale 与 id 索引。
class Snapshot {
  public:
    /// Opens and checks a snapshot file, in time that does not grow with the number of items and users: what
    /// lies in the rows is checked when it is used. Errors: 58030 (can't open), XX001 (not a valid snapshot).
    /// 打开并检查快照文件，耗时与物品数、用户数无关，行内数据在使用时检查。错误：58030（无法打开）、XX001（快照无效）。
    static Snapshot open(const std::string& path);

    /// Reads the whole file and checks every byte: Error (data corrupted) when one is not as it was written.
    /// 读取整个文件并检查每个字节：与写入时不同则抛出 Error（数据损坏）。
    void verify(const Poll& poll = {}) const { file_->verify(poll); }

    const SafetensorsFile& file() const { return *file_; }
    const Encoder& encoder() const { return encoder_; }
    const IdIndex& items() const { return items_; }
    const IdIndex& users() const { return users_; }
    const Rows& rows() const { return rows_; }
    const Codes& codes() const { return codes_; }
    const Lists& lists() const { return lists_; }
    std::span<const float> item_popularity() const { return item_popularity_; }
    double popularity_total() const { return popularity_total_; }
    int dim() const { return encoder_.dim(); }
    /// The items that a user interacted with in training, each once, the latest last. Error (data corrupted)
    /// for no user of the model and when the list leaves the file; the indexes may be anything.
    /// 用户在训练数据中交互过的物品，各一次，最近的在最后。没有该用户或列表越界时抛出
    /// Error（数据损坏）；下标本身未经检查。
    std::span<const std::int32_t> seen(std::int32_t user) const;

  private:
    explicit Snapshot(std::unique_ptr<const SafetensorsFile> file);

    std::unique_ptr<const SafetensorsFile> file_;
    Encoder encoder_;
    IdIndex items_, users_;
    Rows rows_;
    Codes codes_;
    Lists lists_;
    std::span<const float> item_popularity_;
    double popularity_total_;
    std::span<const std::int64_t> seen_offsets_;
    std::span<const std::int32_t> seen_items_;
};

/// Writes a snapshot whose parts come from somewhere else, row by row: the extension fills it from the
/// tables. Order of calls: the constructor, weight() for each tensor of the encoder, create(), then in any
/// mix weight_part() until every weight is whole, item() and user() for the indexes 0, 1, 2, …, and commit().
/// What is given is not trusted: Error (data corrupted) names what is missing, given twice or not as
/// declared. Calls out of order are an Error (internal). The same content gives the same bytes. A writer that
/// goes away before commit() leaves nothing behind.
/// 由外部逐行提供内容来写快照：扩展从表中填充。调用顺序：构造、weight()、create()、任意交错的 weight_part()
/// 与按下标 0, 1, 2, … 的 item()/user()、commit()。
/// 内容不被信任：缺失、重复或与声明不符抛出 Error（数据损坏）。 相同内容得到相同字节。未 commit
/// 则不留下文件。
class SnapshotWriter {
  public:
    struct Size {
        std::int64_t items, users, dim;
        std::int64_t item_id_bytes, user_id_bytes;  // total length of the ids
        std::int64_t seen_items;                    // total length of the users' lists
        std::int64_t lists = 0;                     // of the index; 0 = no index
    };

    SnapshotWriter(const Size& size, const std::string& kind, const std::string& config,
                   const std::string& version);

    /// Declares one encoder tensor; its bytes are given by weight_part() after create().
    /// 声明一个编码器张量；其内容在 create() 之后由 weight_part() 给出。
    void weight(std::string name, DType dtype, Shape shape);
    /// Reserves the file's space next to `path`. Errors: 53100 (disk full), 58030.
    /// 在 path 旁预留文件空间。错误：53100（磁盘满）、58030。
    void create(const std::string& path);
    /// Copies a part of a tensor to byte `offset`; Error (data corrupted) when it does not fit.
    /// 将张量的一部分复制到字节偏移 offset 处；放不下时抛出 Error（数据损坏）。
    void weight_part(std::string_view name, std::size_t offset, std::span<const std::byte> part);
    /// Rows in index order: ids are appended, so index must be 0, 1, 2, … (Error otherwise). `embedding` has
    /// dim finite numbers, `popularity` is finite and not negative, `seen_until` is the time of the user's
    /// latest interaction in training, `seen` the items of those interactions, each in [0, items), `list` the
    /// item's list of the index, -1 for all items without one.
    /// 按下标顺序给出行；embedding 为 dim 个有限数，popularity 有限且非负，seen_until
    /// 为该用户在训练数据中最后一次交互的时间，seen 为交互过的物品，均在 [0, items) 内，list
    /// 为物品所属的索引列表，没有索引时均为 -1。
    void item(std::int64_t index, std::string_view id, std::span<const float> embedding, float popularity,
              std::int32_t list);
    void user(std::int64_t index, std::string_view id, std::span<const float> embedding, double seen_until,
              std::span<const std::int32_t> seen);
    /// Builds the hash tables, codes and checksums, checks that nothing is missing, writes the file under its
    /// name. `poll` is called meanwhile. Returns the file's state.
    /// 构建哈希表、编码与校验和，检查内容完整，以正式名称写出文件，期间调用 poll。返回文件的状态。
    FileState commit(const Poll& poll = {});

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;

  public:
    SnapshotWriter(SnapshotWriter&&) noexcept;
    SnapshotWriter& operator=(SnapshotWriter&&) noexcept;
    ~SnapshotWriter();
};

}  // namespace seqrec
