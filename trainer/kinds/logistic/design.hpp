// The features of a regression and where their coefficients lie.
//
// A query has slots x_a: one that is always 1, one of how much was clicked, those of the columns of users and
// of the moment. An item has columns e_j: those of its features, its popularity, and one that is always 1. The
// logit of a pair is
//
//     sum_aj x_a W[a,j] e_j  +  sum_j R[u,j] e_j  +  sum_a T[i,a] x_a  +  sum_j (L[j] l_j + S[j] s_j) e_j
//
// where W are main effects and crosses, R the user's own row (her inclination at j = 1, and what she likes of
// columns), T the item's own row (its quality, and who likes it), l and s means of the columns of the clicked
// items, old ones counting less. Columns of very many values have main effects of each value beside.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/kinds/logistic.hpp"
#include "data/dataset.hpp"
#include "kinds/shared/columns.hpp"
#include "run/reporter.hpp"

namespace seqrec::trainer {

/// Coefficients, one after the other in one vector.
/// 全部系数在一个向量中的排列。
struct Layout {
    std::int64_t slots = 0, columns = 0;  ///< of a query; of an item, without the one that is always 1
    std::int64_t own = 0;                 ///< of a query's slots those that meet items' own rows, the 1 first
    std::int64_t users = 0, items = 0;    ///< rows of R and T; 0 without ids
    std::int64_t wide_query = 0, wide_item = 0;

    std::int64_t width() const { return columns + 1; }
    std::int64_t user_rows() const { return slots * width(); }
    std::int64_t item_rows() const { return user_rows() + users * width(); }
    std::int64_t affinity() const { return item_rows() + items * own; }
    std::int64_t wide_queries() const { return affinity() + 2 * columns; }
    std::int64_t wide_items() const { return wide_queries() + wide_query; }
    std::int64_t total() const { return wide_items() + wide_item; }
};

/// A group of coefficients that share a penalty: those of a pair of columns.
/// 共用同一惩罚的一组系数：一对列的系数。
struct Group {
    std::string name;
    std::int64_t size = 0;
};

/// A column and where its features go. `first` is its first slot (query) or column (item).
/// 一列及其特征的去处；first 为其首个槽位（查询侧）或列（物品侧）。
struct Place {
    const Column* column;
    Side side;
    std::int32_t first;
    std::int32_t own =
        -1;  ///< the place of its first slot among those that meet items' own rows; -1: it has none
    std::int32_t wide = -1;  ///< the first of the main effects of its single values; -1: slots have them
    std::string name{};      ///< what it is called in the table of coefficients
};

/// Features of many rows, in slots or columns; those beyond are main effects of single values.
/// 多行的特征。
struct Entries {
    std::vector<std::int64_t> offsets{0};
    std::vector<Entry> slots, wide;
    std::vector<std::int64_t> wide_offsets{0};

    void end_row();
    std::span<const Entry> at(std::int64_t row) const;
    std::span<const Entry> wide_at(std::int64_t row) const;
};

/// The design of a regression on a dataset.
/// 数据集上回归模型的设计。
class Design {
  public:
    /// Error 22023 for crosses of columns that are not there and for labels that positive_from does not tell
    /// apart, 22000 where all labels say the same.
    /// crosses 中的列不存在、或 positive_from 无法区分标签时抛出 Error 22023；标签全部相同时 22000。
    Design(const Dataset& data, const nlohmann::json& options);
    Design(const Design&) = delete;
    Design& operator=(const Design&) = delete;

    /// Takes the items' popularity from a part of the data.
    /// 以数据的某一部分计算物品热门度。
    void count_popularity(Part part);
    /// What was left out, or folded, for whoever trains.
    /// 被略去或合并的内容，供训练者了解。
    std::vector<std::string> warnings() const;

    const Layout& layout() const { return layout_; }
    const std::vector<Group>& groups() const { return groups_; }
    /// The group of each coefficient, kOff for those that are always 0.
    /// 每个系数所属的组；恒为 0 的系数为 kOff。
    const std::vector<std::uint16_t>& group_of() const { return group_of_; }
    static constexpr std::uint16_t kOff = 0xFFFF;
    static constexpr std::uint16_t kIntercept = 0;

    const std::vector<Place>& query_places() const { return query_; }
    const std::vector<Place>& item_places() const { return item_; }
    const Entries& users() const { return user_entries_; }
    /// Items as they are at the end of the data.
    /// 数据末尾时的物品。
    const Entries& items() const { return item_entries_; }
    double now() const { return now_; }
    double clicks_mean() const { return clicks_mean_; }
    double clicks_deviation() const { return clicks_deviation_; }

    /// The features of a pair that its time decides, appended to: of a user, of an item, and of the moment.
    /// 由时间决定的特征，追加到末尾。
    void append_user_times(std::int64_t user, double time, std::vector<Entry>& slots) const;
    void append_item_times(std::int64_t item, double time, std::vector<Entry>& columns) const;
    void append_moment(std::int64_t row, std::vector<Entry>& slots, std::vector<Entry>& wide) const;
    bool has_item_times() const { return has_item_times_; }
    bool has_moment() const { return has_moment_; }
    /// Where a query's slot meets items' own rows, or -1.
    /// 槽位在物品自有行中的位置，没有则为 -1。
    std::int32_t own_of(std::int32_t slot) const { return own_of_[static_cast<std::size_t>(slot)]; }
    std::int32_t slot_of_own(std::int32_t own) const { return slot_of_own_[static_cast<std::size_t>(own)]; }

    /// What each interaction of all sequences is: its row in the file, when, whether it is a positive (1, 0,
    /// or -1 for one without a label, all 1 where there are no labels), and what it counts.
    /// 各序列中每次交互：文件行号、时间、是否为正例（1、0，无标签为 -1；没有标签列则全为 1）与权重。
    struct Event {
        std::int64_t row;
        double time;
        std::int8_t positive;
        float weight;
    };
    Event event(std::int64_t position) const;
    bool is_labelled() const { return !labels_.empty(); }

  private:
    void make_columns();
    void place_query(const Column& column, Side side);
    void place_item(const Column& column);
    void place_columns();
    void choose_crosses(const nlohmann::json& crosses);
    void name_places();
    bool is_crossed(const std::string& query, const std::string& item) const;
    std::uint16_t group(const std::string& name);
    std::vector<std::uint16_t> groups_with_items(const std::string& query, const std::string& name);
    std::vector<std::uint16_t> groups_with_queries();
    void number_groups();
    void read_labels_as(const nlohmann::json& positive_from);
    void expect_both() const;
    void scale_weights();
    std::vector<Sighting> sightings(Side side) const;
    void fill_entries();
    void append(const Place& place, std::int64_t row, double time, std::vector<Entry>& slots,
                std::vector<Entry>& wide) const;

    const Dataset& data_;
    bool ids_;
    std::vector<std::int64_t> rows_;
    std::span<const double> times_;
    std::span<const float> labels_, weights_;
    float positive_from_ = 0.5f, weight_scale_ = 1;
    double now_ = 0, clicks_mean_ = 0, clicks_deviation_ = 1;
    std::vector<FeatureColumn> sources_[3];  // by side
    std::vector<Column> columns_[3];
    std::vector<Column> popularity_;
    std::vector<Place> query_, item_;
    bool has_item_times_ = false, has_user_times_ = false, has_moment_ = false;
    Entries user_entries_, item_entries_;
    std::vector<std::int32_t> own_of_, slot_of_own_;
    Layout layout_;
    std::vector<Group> groups_;
    std::vector<std::uint16_t> group_of_;
    bool all_crosses_ = true;
    std::vector<std::pair<std::string, std::string>> crosses_;
};

}  // namespace seqrec::trainer
