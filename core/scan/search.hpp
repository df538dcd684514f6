// The k best items by a scan of one byte a number, with the same answer as the scan in float32.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/scan/codes.hpp"
#include "core/scan/top_k.hpp"

namespace seqrec {

/// One query's search over parts of the codes. Each slot's score lies between two bounds: an item whose upper
/// bound is below k others' lower bounds is not among the k best, and what remains, usually a few dozen
/// items, is scored in float32. So the answer is that of top_k over the items scanned, to the last bit.
/// 一次查询在编码上的搜索。每个槽的得分有上下界：上界低于另外 k 个物品下界者不可能入选；
/// 其余（通常几十个）再以 float32 计分。因此结果与对所扫描物品做 top_k 完全一致。
class Search {
  public:
    /// Everything referred to must outlive it.
    /// 所引用的对象须长于本对象。
    Search(const Codes& codes, std::span<const float> query, const ItemFilter& filter, const Wanted& wanted);

    /// Scans `count` groups from `first` on for each search; each group at most once. All searches are over
    /// the same codes. Error (data corrupted) when a slot names an item that does not exist.
    /// 为每个搜索扫描从 first 起的 count 个组，每组至多一次；各搜索须针对同一编码。
    static void scan(std::span<Search> searches, std::size_t first, std::size_t count);

    /// Items met so far that the filter admits and that may still be among the best.
    /// 目前仍可能入选的物品数。
    std::size_t candidates() const { return candidates_.size(); }
    /// Whether so many items have nearly the same score that only a scan in float32 can tell them apart.
    /// 得分几乎相同的物品过多，只能用 float32 扫描区分。
    bool undecided() const { return undecided_; }

    /// The k best of what was scanned.
    /// 已扫描部分的前 k 个。
    std::vector<ScoredItem> best(const Rows& rows, const Poll& poll) &&;

  private:
    struct Candidate {
        std::int32_t item;
        float upper;
    };

    static void scan_block(std::span<Search> searches, std::size_t first, std::size_t groups);
    void meet(std::size_t slot, float upper);
    void raise_bound(float lower);
    void drop_hopeless();
    void drop_below(float bound);

    const Codes& codes_;
    std::span<const float> query_;
    const ItemFilter& filter_;
    Wanted wanted_;
    CodeQuery coded_;
    float bound_;                // no item with an upper bound below this is among the best
    std::vector<float> lowers_;  // the k highest lower bounds, the least on top
    std::vector<Candidate> candidates_;
    std::size_t room_;
    std::size_t scanned_ = 0;  // groups
    bool undecided_ = false;
};

}  // namespace seqrec
