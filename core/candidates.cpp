#include "core/candidates.hpp"

#include <algorithm>
#include <array>

namespace seqrec {
namespace {

/// Calls `take` with what some ids are at a time, -1 for none.
template <typename Id, typename Take>
void look_up(const IdIndex& index, std::span<const Id> ids, const Poll& poll, Take take) {
    std::array<std::int32_t, kPollEvery> found;
    for (std::size_t at = 0; at < ids.size(); at += found.size()) {
        if (poll) poll();
        const std::size_t count = std::min(found.size(), ids.size() - at);
        index.find_all(ids.subspan(at, count), std::span(found).first(count));
        take(std::span<const std::int32_t>(found).first(count));
    }
}

}  // namespace

Candidates::Candidates(const IdIndex& index, std::span<const std::string_view> ids, const Poll& poll) {
    read(index, ids, poll);
}

Candidates::Candidates(const IdIndex& index, std::span<const std::int64_t> ids, const Poll& poll) {
    read(index, ids, poll);
}

/// Many are put in order by the set that they make, a few by themselves.
template <typename Id>
void Candidates::read(const IdIndex& index, std::span<const Id> ids, const Poll& poll) {
    catalogue_ = index.size();
    set_ = ItemSet(catalogue_);
    if (ids.size() * kFew >= static_cast<std::size_t>(catalogue_) / 4) {
        look_up(index, ids, poll, [this](std::span<const std::int32_t> some) { set_.add(some); });
        size_ = set_.size();
        if (few()) items_ = set_.sorted();
        return;
    }
    std::vector<std::int32_t> found;
    look_up(index, ids, poll,
            [&](std::span<const std::int32_t> some) { found.insert(found.end(), some.begin(), some.end()); });
    std::erase(found, -1);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    set_.add(found);
    size_ = found.size();
    items_.assign(found.begin(), found.end());  // which keeps no room for those that were given
}

}  // namespace seqrec
