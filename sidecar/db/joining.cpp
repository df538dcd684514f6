#include "db/joining.hpp"

#include <algorithm>

#include "db/arrays.hpp"

namespace seqrec::sidecar {

bool may_join(const Query& one, const Query& other) {
    if (!one.joinable || !other.joinable || one.statement != other.statement) return false;
    const auto first = static_cast<std::ptrdiff_t>(one.statement->joined);
    return std::equal(one.parameters.begin() + first, one.parameters.end(), other.parameters.begin() + first,
                      other.parameters.end());
}

TicketPtr join(std::span<const TicketPtr> members) {
    auto group = std::make_shared<Ticket>();
    group->query = members.front()->query;
    for (const auto& member : members.subspan(1))
        for (std::size_t i = 0; i < group->query.statement->joined; ++i)
            append_array(*group->query.parameters[i].value, *member->query.parameters[i].value);
    group->members.assign(members.begin(), members.end());
    return group;
}

}  // namespace seqrec::sidecar
