// Several queries sent as one: their leading array parameters are laid end to end, and each gets its row
// back.
#pragma once

#include <span>

#include "db/connection.hpp"

namespace seqrec::sidecar {

/// Whether two queries may be sent as one: both allow it, and they differ in joined parameters alone.
/// 两个查询能否合并发送：两者均允许，且仅在可合并的参数上不同。
bool may_join(const Query& one, const Query& other);

/// A ticket that stands for others, at least one, which may be joined with the first.
/// 代表多个（至少一个）可合并查询的票据。
TicketPtr join(std::span<const TicketPtr> members);

}  // namespace seqrec::sidecar
