// The dataset file: interactions in user and time order, with the ids they came with, and the features of all.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/files/content_columns.hpp"
#include "core/files/feature_columns.hpp"
#include "core/files/id_map.hpp"
#include "core/files/safetensors.hpp"
#include "core/files/spool_column.hpp"

namespace seqrec {

/// Whose features.
/// 特征属于谁。
enum class Side : std::uint8_t { Item, User };

/// Writes a dataset file from a stream of interactions sorted by user, then time, and after it the rows of a
/// table of items and one of users, where there are any. Only the items' ids are kept in memory, and what
/// those tables hold; everything else is spooled beside the file.
/// 由按用户、时间排序的交互流（其后可有物品表与用户表的行）写出数据集文件。内存中只保存物品 id
/// 与这两张表的内容，其余写入临时文件。
class DatasetWriter {
  public:
    struct Counts {
        std::int64_t users, items, interactions;
    };

    /// `folder` holds the temporary files; `most` users and as many items are taken.
    /// folder 用于存放临时文件；用户与物品各至多 most 个。
    explicit DatasetWriter(const std::string& folder, std::int64_t most = kMostIds);

    /// An entry of the file's metadata, beside `format`.
    /// 文件元数据中的一项（format 除外）。
    void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }
    /// Starts the next user; every user comes once. Error 54000 when the id is longer than kMostIdBytes or
    /// there are too many users.
    /// 开始下一个用户；每个用户只出现一次。id 超过 kMostIdBytes 字节或用户过多时抛出 Error 54000。
    void begin_user(const Id& id);
    /// One interaction of the current user; `time` in seconds, or the number the table has. Error 54000 when
    /// the id is longer than kMostIdBytes or there are too many items, which may show some calls later.
    /// 当前用户的一次交互；time 为秒，或表中的原始数值。id 超过 kMostIdBytes
    /// 字节或物品过多（可能稍后才发现）时抛出 Error 54000。
    void interaction(const Id& item, double time);
    const Counts& counts() const { return counts_; }

    /// Announces a table of items or users, before the first interaction.
    /// 在第一次交互之前声明物品表或用户表。
    void add_table(Side side, std::vector<FeatureSpec> specs);
    /// Begins a row of it, after the last interaction: each of table(side).columns() is then put once. An id
    /// without interactions is a new item or user. False, and nothing begins, when its id has had a row.
    /// 在最后一次交互之后开始一行，随后各列各 put 一次；没有交互的 id 成为新的物品或用户。
    /// 该 id 已有行时返回 false。
    bool begin_row(Side side, const Id& id);
    /// An item that nobody had and no table lists, after the last interaction; nothing where it is there already.
    /// 在最后一次交互之后加入一个无人拥有、也未列出的物品；已存在时不做任何事。
    void add_item(const Id& id);
    /// How many items or users there are by now.
    /// 目前的物品数或用户数。
    std::int64_t count(Side side);
    FeatureTable& table(Side side) { return *tables_[static_cast<std::size_t>(side)]; }

    /// Announces that rows of items have a text, a vector, before the first interaction.
    /// 在第一次交互之前声明物品的行带有文本、向量。
    void add_item_content(bool text, bool vector);
    /// Of the row of items that was begun last, each once at most.
    /// 属于最近开始的物品行，各至多一次。
    void item_text(std::string_view text) { item_text_->put(current_item_, text); }
    /// False, and nothing is put, when it is not as wide as the first one.
    /// 与第一个向量维数不同时返回 false，且不存入。
    bool item_vector(std::span<const float> vector) { return item_vectors_->put(current_item_, vector); }
    /// Of the vectors, 0 while there is none.
    /// 向量的维数；尚无时为 0。
    std::size_t vector_width() const { return item_vectors_ ? item_vectors_->width() : 0; }

    /// Announces further columns of the interactions, before the first one: each of event_columns() is put
    /// once after every interaction(), and where there are any, label, weight and excluded.
    /// 在第一次交互之前声明交互的附加列；每次 interaction() 之后各列（及标签、权重、排除标记）各 put 一次。
    void add_event_columns(const std::vector<FeatureSpec>& specs, bool label, bool weight,
                           bool excluded = false);
    std::vector<FeatureColumn>& event_columns() { return event_columns_; }
    void label(float value) { label_->put(value); }
    void weight(float value) { weight_->put(value); }
    /// Whether the interaction is of an event whose items are never recommended to its user.
    /// 该交互是否属于其物品不再推荐给该用户的事件。
    void excluded(bool value) { excluded_->put(static_cast<std::uint8_t>(value)); }

    /// Writes the file, which then survives a power loss. Errors: 53100 on a full disk, 58030 on other I/O.
    /// 写出文件并刷盘，断电后仍然完好。错误：53100（磁盘满）、58030（其他 I/O）。
    void write(const std::string& path);

  private:
    void finish_searches();
    std::int32_t index_of(Side side, const Id& id);
    void describe(SafetensorsWriter& writer) const;
    void declare_features(SafetensorsWriter& writer) const;
    void write_features(SafetensorsWriter& writer);
    std::int64_t rows_of(Side side) const { return side == Side::Item ? counts_.items : counts_.users; }

    std::string folder_;
    std::int64_t most_users_;
    Counts counts_{0, 0, 0};
    std::map<std::string, std::string> metadata_;
    IdMap items_;
    std::vector<IdMap::Search> searches_;  // of the last interactions' items
    SpoolColumn user_offsets_, user_id_offsets_, user_id_bytes_, event_items_, event_times_;
    std::optional<FeatureTable> tables_[2];  // by Side
    std::optional<IdMap> users_;             // only with a table of users
    std::vector<FeatureColumn> event_columns_;
    std::optional<SpoolColumn> label_, weight_, excluded_;
    std::int32_t current_item_ = -1;  // whose row was begun last
    std::optional<TextColumn> item_text_;
    std::optional<VectorColumn> item_vectors_;
};

}  // namespace seqrec
