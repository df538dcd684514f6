#include "core/candidates.hpp"

#include <algorithm>

namespace seqrec {
namespace {

template <typename Id>
std::vector<std::int32_t> look_up(const IdIndex& index, std::span<const Id> ids, const Poll& poll) {
    std::vector<std::int32_t> found(ids.size());
    for (std::size_t at = 0; at < ids.size(); at += kPollEvery) {
        if (poll) poll();
        const std::size_t count = std::min<std::size_t>(kPollEvery, ids.size() - at);
        index.find_all(ids.subspan(at, count), std::span(found).subspan(at, count));
    }
    std::erase(found, -1);
    return found;
}

}  // namespace

Candidates::Candidates(const IdIndex& index, std::span<const std::string_view> ids, const Poll& poll)
    : Candidates(index.size(), look_up(index, ids, poll)) {}

Candidates::Candidates(const IdIndex& index, std::span<const std::int64_t> ids, const Poll& poll)
    : Candidates(index.size(), look_up(index, ids, poll)) {}

/// Many are put in order by the set that they make, a few by themselves.
Candidates::Candidates(std::int64_t catalogue, std::vector<std::int32_t> found)
    : catalogue_(catalogue), set_(catalogue, found) {
    if (found.size() * kFew < static_cast<std::size_t>(catalogue) / 4) {
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        size_ = found.size();
        items_.assign(found.begin(), found.end());  // which keeps no room for those that were given
        return;
    }
    size_ = set_.size();
    if (few()) items_ = set_.sorted();
}

}  // namespace seqrec
