#include "core/measure/drawn_users.hpp"

namespace seqrec {

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014) as a hash.
bool is_drawn(std::int64_t user, std::uint64_t seed, double share) {
    std::uint64_t z = seed + (static_cast<std::uint64_t>(user) + 1) * 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53 < share;
}

}  // namespace seqrec
