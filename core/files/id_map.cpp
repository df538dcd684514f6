#include "core/files/id_map.hpp"

#include <algorithm>
#include <random>

#include "core/error.hpp"

namespace seqrec {
namespace {

IdHashKey random_key() {
    std::random_device random;
    const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    return {word(), word()};
}

std::string text_of(std::string_view text) { return std::string(text); }

std::string text_of(std::int64_t number) { return std::to_string(number); }

std::string text_of(const Uuid& uuid) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += kDigits[uuid[i] >> 4];
        text += kDigits[uuid[i] & 15];
    }
    return text;
}

}  // namespace

void check_room(std::int64_t count, std::int64_t most, const char* what) {
    if (count >= most)
        throw Error(sqlstate::kLimitExceeded, std::string("too many different ") + what,
                    "A model holds at most " + std::to_string(most) + " " + what + ".");
}

std::string id_text(const Id& id) {
    return std::visit([](const auto& value) { return text_of(value); }, id);
}

template <typename Key>
std::uint64_t KeyMap<Key>::hash(const Key& key) const {
    return id_hash(hash_key_, {reinterpret_cast<const char*>(&key), sizeof key});
}

template <typename Key>
std::size_t KeyMap<Key>::slot_of(const Key& key, std::uint64_t hash) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = hash & mask;
    while (slots_[slot].entry != 0 && slots_[slot].key != key) slot = (slot + 1) & mask;
    return slot;
}

template <typename Key>
void KeyMap<Key>::grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
        if (slot.entry != 0) slots_[slot_of(slot.key, hash(slot.key))] = slot;
}

template <typename Key>
std::int32_t KeyMap<Key>::find(const Key& key, std::uint64_t hash) const {
    return static_cast<std::int32_t>(slots_[slot_of(key, hash)].entry) - 1;
}

template <typename Key>
void KeyMap<Key>::insert(const Key& key, std::uint64_t hash, std::int32_t index) {
    if (++size_ * 2 > slots_.size()) grow();
    slots_[slot_of(key, hash)] = {key, static_cast<std::uint32_t>(index) + 1};
}

template class KeyMap<std::int64_t>;
template class KeyMap<Uuid>;

IdMap::IdMap(std::int64_t most, const char* what)
    : most_(most), what_(what), key_(random_key()), numbers_(key_), uuids_(key_) {}

std::string_view IdMap::id(std::int32_t index) const {
    const std::int64_t begin = offsets_[index], end = offsets_[index + 1];
    return {bytes_.data() + begin, static_cast<std::size_t>(end - begin)};
}

std::size_t IdMap::slot_of(std::string_view id, std::uint64_t hash) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t slot = hash & mask;
    while (table_[slot] != 0 && this->id(static_cast<std::int32_t>(table_[slot] - 1)) != id)
        slot = (slot + 1) & mask;
    return slot;
}

void IdMap::grow() {
    table_.assign(table_.size() * 2, 0);
    for (std::int64_t index = 0; index < size(); ++index) {
        const std::string_view text = id(static_cast<std::int32_t>(index));
        table_[slot_of(text, id_hash(key_, text))] = static_cast<std::uint32_t>(index + 1);
    }
}

std::int32_t IdMap::index_of_text(std::string_view id, std::uint64_t hash) {
    std::size_t slot = slot_of(id, hash);
    if (table_[slot] != 0) return static_cast<std::int32_t>(table_[slot] - 1);
    check_room(size(), most_, what_);
    if (static_cast<std::size_t>(size()) * 2 >= table_.size()) {
        grow();
        slot = slot_of(id, hash);
    }
    bytes_.insert(bytes_.end(), id.begin(), id.end());
    offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
    table_[slot] = static_cast<std::uint32_t>(size());
    return static_cast<std::int32_t>(size() - 1);
}

template <typename Key>
std::int32_t IdMap::index_of_key(KeyMap<Key>& map, const Key& key, std::uint64_t hash) {
    const std::int32_t known = map.find(key, hash);
    if (known >= 0) return known;
    const std::string text = text_of(key);
    const std::int32_t index = index_of_text(text, id_hash(key_, text));
    map.insert(key, hash, index);
    return index;
}

IdMap::Search IdMap::begin(const Id& id) const {
    const auto begin_key = [&](const auto& map, const auto& key) {
        const std::uint64_t hash = map.hash(key);
        map.prefetch(hash);
        return Search{id, hash};
    };
    if (const auto* number = std::get_if<std::int64_t>(&id)) return begin_key(numbers_, *number);
    if (const auto* uuid = std::get_if<Uuid>(&id)) return begin_key(uuids_, *uuid);
    return {id, id_hash(key_, std::get<std::string_view>(id))};
}

std::int32_t IdMap::finish(const Search& search) {
    if (const auto* number = std::get_if<std::int64_t>(&search.id))
        return index_of_key(numbers_, *number, search.hash);
    if (const auto* uuid = std::get_if<Uuid>(&search.id)) return index_of_key(uuids_, *uuid, search.hash);
    return index_of_text(std::get<std::string_view>(search.id), search.hash);
}

}  // namespace seqrec
