#include "core/candidate_lists.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace seqrec {
namespace {

std::uint64_t hash_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

CandidateLists::List CandidateLists::find(std::string_view bytes) {
    const auto found = std::ranges::find_if(entries_, [hash = hash_of(bytes), bytes](const Entry& entry) {
        return entry.hash == hash && entry.bytes == bytes;
    });
    if (found == entries_.end()) return nullptr;
    std::rotate(entries_.begin(), found, found + 1);
    return entries_.front().list;
}

void CandidateLists::keep(std::string_view bytes, List list) {
    if (bytes.size() > kMostBytes) return;
    std::size_t total = bytes.size(), kept = 0;
    while (kept < std::min(entries_.size(), kMostLists - 1) &&
           total + entries_[kept].bytes.size() <= kMostBytes)
        total += entries_[kept++].bytes.size();
    entries_.resize(kept);
    entries_.insert(entries_.begin(), {hash_of(bytes), std::string(bytes), std::move(list)});
}

}  // namespace seqrec
