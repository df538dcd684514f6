#include "core/candidate_lists.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace seqrec {
namespace {

std::uint64_t hash_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

bool holds(const std::vector<const void*>& addresses, const void* lasting) {
    return std::ranges::find(addresses, lasting) != addresses.end();
}

}  // namespace

std::vector<CandidateLists::Entry>::iterator CandidateLists::look(const Given& given) {
    const auto by_address = std::ranges::find_if(entries_, [&](const Entry& entry) {
        return given.lasting && holds(entry.lasting, given.lasting) && entry.mapping == given.mapping;
    });
    if (by_address != entries_.end() || entries_.empty()) return by_address;
    return std::ranges::find_if(entries_, [&, hash = hash_of(given.bytes)](const Entry& entry) {
        return entry.hash == hash && entry.bytes == given.bytes && entry.mapping == given.mapping;
    });
}

CandidateLists::List CandidateLists::find(const Given& given) {
    const auto found = look(given);
    if (found == entries_.end()) return nullptr;
    if (given.lasting && !holds(found->lasting, given.lasting)) found->lasting.push_back(given.lasting);
    std::rotate(entries_.begin(), found, found + 1);
    return entries_.front().list;
}

void CandidateLists::keep(const Given& given, List list) {
    const bool fits = given.bytes.size() <= kMostBytes;
    if (!fits && !given.lasting) return;
    if (given.lasting) forget(given.lasting);  // of another mapping: the latest alone is known by it
    if (fits) make_room(given.bytes.size());
    Entry entry{std::string(given.mapping), 0, {}, {}, std::move(list)};
    if (fits) entry.bytes = given.bytes, entry.hash = hash_of(given.bytes);
    if (given.lasting) entry.lasting.push_back(given.lasting);
    entries_.insert(entries_.begin(), std::move(entry));
}

void CandidateLists::make_room(std::size_t bytes) {
    std::size_t lists = 1, total = bytes;
    for (Entry& entry : entries_) {
        if (entry.bytes.empty()) continue;
        total += entry.bytes.size();
        if (++lists > kMostLists || total > kMostBytes) std::string().swap(entry.bytes);
    }
    std::erase_if(entries_, [](const Entry& entry) { return entry.bytes.empty() && entry.lasting.empty(); });
}

bool CandidateLists::knows(const void* lasting) const {
    return std::ranges::any_of(entries_, [&](const Entry& entry) { return holds(entry.lasting, lasting); });
}

void CandidateLists::forget(const void* lasting) noexcept {
    for (Entry& entry : entries_) std::erase(entry.lasting, lasting);
    std::erase_if(entries_, [](const Entry& entry) { return entry.bytes.empty() && entry.lasting.empty(); });
}

}  // namespace seqrec
