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

/// Lists by what was given for them, in which mapping of a model's snapshot: by its address where that alone says what it is, else byte by
/// byte: a comparison costs far less than looking them up, and is never wrong.
/// 按给出的内容与所映射的快照保存的候选列表：地址即可确定内容时按地址，否则逐字节比较；比较的代价是查找的千分之一，且从不出错。
class CandidateLists {
  public:
    using List = std::shared_ptr<const Candidates>;

    /// What is given for a list. `lasting`: where it lies, if until forget() nothing else will; else null.
    /// 为列表给出的内容。lasting：其所在地址（在 forget() 之前不会另作他用），否则为空。
    struct Given {
        std::string_view mapping, bytes;
        const void* lasting = nullptr;
    };

    /// The list that was kept for it, or null.
    /// 为其保存的列表；没有则为空。
    List find(const Given& given);
    /// Keeps one. The bytes of the least recently used go when there are more than kMostLists, or kMostBytes, and the lists with them,
    /// unless they have an address.
    /// 保存一个列表；超出 kMostLists 或 kMostBytes 时丢弃最久未用的字节，没有地址的列表随之丢弃。
    void keep(const Given& given, List list);

    /// Whether anything is kept by an address, whose end must be told.
    /// 是否有按该地址保存的内容（其失效时须告知）。
    bool knows(const void* lasting) const;
    void forget(const void* lasting) noexcept;

    static constexpr std::size_t kMostLists = 16, kMostBytes = 16 << 20;

  private:
    struct Entry {
        std::string mapping;
        std::uint64_t hash;  // so that others are told apart by one look each
        std::string bytes;   // none when they are gone
        std::vector<const void*> lasting;
        List list;
    };
    std::vector<Entry>::iterator look(const Given& given);
    void make_room(std::size_t bytes);

    std::vector<Entry> entries_;  // the latest first
};

}  // namespace seqrec
