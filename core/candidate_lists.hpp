// The latest lists of candidates of a session, looked up: who asks with a list asks again with the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/candidates.hpp"

namespace seqrec {

/// Lists by what was given for them, byte by byte: a comparison costs far less than looking them up, and is never wrong.
/// 按给出时的字节保存的候选列表：比较的代价是查找的千分之一，且从不出错。
class CandidateLists {
  public:
    using List = std::shared_ptr<const Candidates>;

    /// The list that was kept for these bytes, or null.
    /// 为这些字节保存的列表；没有则为空。
    List find(std::string_view bytes);
    /// Keeps one; the least recently used go when there are more than kMostLists, or kMostBytes.
    /// 保存一个列表；超出 kMostLists 或 kMostBytes 时丢弃最久未用的。
    void keep(std::string_view bytes, List list);

    static constexpr std::size_t kMostLists = 8, kMostBytes = 16 << 20;

  private:
    struct Entry {
        std::uint64_t hash;  // so that others are told apart by one look each
        std::string bytes;
        List list;
    };
    std::vector<Entry> entries_;  // the latest first
};

}  // namespace seqrec
