// Which parts of the codes are worth scanning: the lists of an inverted file index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace seqrec {

/// Items grouped around centroids (Sivic and Zisserman, "Video Google", 2003; Jégou, Douze, Schmid, "Product
/// quantization for nearest neighbor search", 2011). A model without an index has one list of all its items.
/// 围绕质心分组的物品（倒排文件索引）。没有索引的模型只有一个包含全部物品的列表。
struct Lists {
    std::span<const float> centroid;            ///< [lists, dim], unit length; empty without an index
    std::span<const std::int64_t> first_group;  ///< [lists + 1], in groups of the codes
    std::int64_t group_count = 0;               ///< of the codes
    std::int64_t probes = 1;                    ///< how many lists the model was measured with, at k = 10

    std::int64_t size() const { return static_cast<std::int64_t>(first_group.size()) - 1; }

    /// First group and number of groups of a list; Error (data corrupted) when they leave the codes.
    /// 某列表的首组与组数；越界时抛出 Error（数据损坏）。
    std::pair<std::size_t, std::size_t> groups(std::int32_t list) const;

    /// The lists to scan for a query, nearest first: `wanted_probes` of them (0: `probes`, and more for k
    /// above 10), and further ones until they hold at least `rows` rows.
    /// 某次查询应扫描的列表，最近者在前：wanted_probes 个（0 表示 probes，k 大于 10 时更多），
    /// 并继续增加直到至少含 rows 行。
    std::vector<std::int32_t> nearest(std::span<const float> query, std::int64_t wanted_probes,
                                      std::int64_t k, std::int64_t rows) const;
};

}  // namespace seqrec
