#include "core/measure/user_lists.hpp"

#include <algorithm>
#include <numeric>

namespace seqrec {

UserLists::UserLists(const Teaching& teaching) {
    items_.offsets.push_back(0);
    users_.offsets.resize(static_cast<std::size_t>(teaching.items) + 1);
    std::vector<std::int32_t> own;
    for (const auto items : teaching.users) {
        own.assign(items.begin(), items.end());
        std::erase_if(own, [&](std::int32_t item) { return item < 0 || item >= teaching.items; });
        std::ranges::sort(own);
        own.erase(std::unique(own.begin(), own.end()), own.end());
        for (const std::int32_t item : own) ++users_.offsets[static_cast<std::size_t>(item) + 1];
        items_.entries.insert(items_.entries.end(), own.begin(), own.end());
        items_.offsets.push_back(items_.entries.size());
    }
    std::partial_sum(users_.offsets.begin(), users_.offsets.end(), users_.offsets.begin());
    std::vector<std::size_t> next(users_.offsets.begin(), users_.offsets.end() - 1);
    users_.entries.resize(items_.entries.size());
    for (std::int32_t user = 0; user < users(); ++user)
        for (const std::int32_t item : items_of(user))
            users_.entries[next[static_cast<std::size_t>(item)]++] = user;
}

}  // namespace seqrec
