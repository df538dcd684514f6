// Writing the file that backends serve from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/files/id_index.hpp"
#include "core/files/safetensors.hpp"
#include "core/poll.hpp"

namespace seqrec {

/// Writes a snapshot whose parts come from somewhere else, row by row: the extension fills it from the
/// tables. Order of calls: the constructor, weight() for each tensor of the encoder, create(), then in any
/// mix weight_part() until every weight is whole, item() and user() for the indexes 0, 1, 2, …, and commit().
/// What is given is not trusted: Error (data corrupted) names what is missing, given twice or not as
/// declared. Calls out of order are an Error (internal). The same content gives the same bytes. A writer that
/// goes away before commit() leaves nothing behind.
/// 由外部逐行提供内容来写快照：扩展从表中填充。调用顺序：构造、weight()、create()、
/// 任意交错的 weight_part() 与按下标 0, 1, 2, … 的 item()/user()、commit()。内容不被信任：缺失、
/// 重复或与声明不符抛出 Error（数据损坏）。相同内容得到相同字节。未 commit 则不留下文件。
class SnapshotWriter {
  public:
    struct Size {
        std::int64_t items, users, dim;
        std::int64_t user_dim;                      // numbers of a user's row; may be 0
        std::int64_t item_id_bytes, user_id_bytes;  // total length of the ids
        std::int64_t seen_items;                    // total length of the users' lists
        std::int64_t lists = 0;                     // of the index; 0 = no index
        IdNumbers item_numbers{};                   // of the items' ids; none need be given
    };

    /// What the file says it is: `score` and `config` are JSON, `version` the model's uuid.
    struct Description {
        std::string kind, score, config, version;
    };

    /// Error 0A000 for a kind that this build does not know, XX001 for a form of scores or sizes that are not
    /// valid.
    /// 本构建不认识该类型时抛出 Error 0A000；得分形式或尺寸无效时 XX001。
    SnapshotWriter(const Size& size, const Description& description);

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
    /// 按下标顺序给出行；embedding 为 dim 个有限数，popularity 有限且非负，
    /// seen_until 为该用户在训练数据中最后一次交互的时间，seen 为交互过的物品，均在 [0, items) 内，
    /// list 为物品所属的索引列表，没有索引时均为 -1。
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
