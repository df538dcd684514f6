#include "core/files/id_index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace seqrec {
namespace {

constexpr std::size_t kAtOnce = 64;  // looked up together, so that their cache misses overlap
constexpr std::int64_t kNumbersEnd =
    1'000'000'000'000'000'000;  // number_of_id() reads eighteen digits at most

[[noreturn]] void corrupted(const std::string& message) {
    throw Error(sqlstate::kDataCorrupted, "invalid id index: " + message);
}

[[noreturn]] void no_such_index() { corrupted("the table of numbers names an id that is not there"); }

struct SipState {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    }
    void word(std::uint64_t m) {
        v3 ^= m;
        round();
        v0 ^= m;
    }
};

/// The id at a position, by offsets that may say anything.
std::string_view id_at(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                       std::size_t index) {
    const std::int64_t begin = offsets[index], end = offsets[index + 1];
    if (begin < 0 || begin > end || end > static_cast<std::int64_t>(bytes.size()))
        corrupted("offsets of id " + std::to_string(index) + " leave the file");
    return {reinterpret_cast<const char*>(bytes.data()) + begin, static_cast<std::size_t>(end - begin)};
}

std::size_t first_slot(std::span<const std::uint32_t> table, const IdHashKey& key, std::string_view id) {
    return id_hash(key, id) & (table.size() - 1);
}

/// The slot that holds `id`, else the empty slot where it would go, from its first one on.
std::size_t find_slot(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                      std::span<const std::uint32_t> table, std::size_t slot, std::string_view id) {
    const std::size_t mask = table.size() - 1, ids = offsets.size() - 1;
    for (int probe = 0; probe < IdIndex::kMaxProbes; ++probe, slot = (slot + 1) & mask) {
        const std::uint32_t entry = table[slot];
        if (entry == 0) return slot;
        if (entry > ids) corrupted("the hash table names an id that is not there");
        if (id_at(offsets, bytes, entry - 1) == id) return slot;
    }
    corrupted("the hash table is too full");
}

void check_table(std::size_t ids, std::size_t slots) {
    if (ids > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) corrupted("too many ids");
    if (!std::has_single_bit(slots) || slots <= ids) corrupted("hash table of an unexpected size");
}

}  // namespace

IdHashKey IdHashKey::of_version(std::string_view version) {
    const std::uint64_t k0 = id_hash({0, 0}, version);
    return {k0, id_hash({k0, 0}, version)};
}

std::uint64_t id_hash(const IdHashKey& key, std::string_view id) {
    SipState state{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
                   key.k1 ^ 0x7465646279746573};
    std::uint64_t word = 0;
    std::size_t at = 0;
    for (; at + sizeof word <= id.size(); at += sizeof word) {
        std::memcpy(&word, id.data() + at, sizeof word);
        state.word(word);
    }
    word = static_cast<std::uint64_t>(id.size()) << 56;
    for (std::size_t i = 0; at + i < id.size(); ++i)
        word |= std::uint64_t{static_cast<unsigned char>(id[at + i])} << (8 * i);
    state.word(word);
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::optional<std::int64_t> number_of_id(std::string_view id) {
    if (id.empty() || id.size() > 18 || (id[0] == '0' && id.size() > 1)) return std::nullopt;
    std::int64_t number = 0;
    for (const char digit : id) {
        if (digit < '0' || digit > '9') return std::nullopt;
        number = number * 10 + (digit - '0');
    }
    return number;
}

IdNumbers IdNumbers::between(std::int64_t numbers, std::int64_t least, std::int64_t most) {
    constexpr std::int64_t kMostEntries = 4;  // a number: 16 bytes, where the rest of an id takes some 30
    if (numbers <= 0 || least < 0 || most < least || (most - least) / kMostEntries >= numbers) return {};
    return {least, most - least + 1};
}

IdIndex::IdIndex(const SafetensorsFile& file, std::string_view prefix) {
    const std::string name(prefix);
    offsets_ = file.get<std::int64_t>(name + ".id.offsets", {-1});
    bytes_ = file.get<std::uint8_t>(name + ".id.bytes", {-1});
    table_ = file.get<std::uint32_t>(name + ".id.hash", {-1});
    if (offsets_.empty()) corrupted("no offsets");
    check_table(offsets_.size() - 1, table_.size());
    size_ = static_cast<std::int64_t>(offsets_.size()) - 1;
    if (file.contains(name + ".id.number")) {
        numbers_ = file.get<std::int32_t>(name + ".id.number", {-1});
        first_number_ = file.get<std::int64_t>(name + ".id.number.first", {1})[0];
    }
    const auto version = file.metadata().find("version");
    key_ = IdHashKey::of_version(version == file.metadata().end() ? "" : version->second);
}

std::int32_t IdIndex::find_text(std::string_view id) const {
    if (size_ == 0) return -1;
    return static_cast<std::int32_t>(
               table_[find_slot(offsets_, bytes_, table_, first_slot(table_, key_, id), id)]) -
           1;
}

/// Of a file with numbers: whatever is not in the table is no id.
std::int32_t IdIndex::find_number(std::int64_t number) const {
    const std::uint64_t at = static_cast<std::uint64_t>(number) - static_cast<std::uint64_t>(first_number_);
    if (at >= numbers_.size()) return -1;
    const std::int32_t index = numbers_[at];
    if (index < -1 || index >= size_) no_such_index();
    return index;
}

std::int32_t IdIndex::find(std::string_view id) const {
    if (!numbers_.empty())
        if (const auto number = number_of_id(id)) return find_number(*number);
    return find_text(id);
}

/// Numbers that ids are come out of the table of numbers; where not all of some are, the texts of all are looked up.
void IdIndex::find_all(std::span<const std::string_view> ids, std::span<std::int32_t> found) const {
    if (numbers_.empty()) return find_texts(ids, found);
    for (std::size_t at = 0; at < ids.size(); at += kAtOnce) {
        const auto some = ids.subspan(at, std::min(kAtOnce, ids.size() - at));
        const auto to = found.subspan(at, some.size());
        std::array<std::int64_t, kAtOnce> numbers;
        std::size_t count = 0;
        for (std::optional<std::int64_t> number; count < some.size() && (number = number_of_id(some[count]));)
            numbers[count++] = *number;
        if (count == some.size())
            find_numbers(std::span(numbers).first(count), to);
        else
            find_texts(some, to);
    }
}

/// Numbers of more digits than number_of_id() reads, and those below 0, are looked up by their texts.
void IdIndex::find_all(std::span<const std::int64_t> numbers, std::span<std::int32_t> found) const {
    constexpr std::size_t kDigits = 20;
    for (std::size_t at = 0; at < numbers.size(); at += kAtOnce) {
        const auto some = numbers.subspan(at, std::min(kAtOnce, numbers.size() - at));
        const auto to = found.subspan(at, some.size());
        if (!numbers_.empty() &&
            std::ranges::all_of(some, [](std::int64_t n) { return n >= 0 && n < kNumbersEnd; })) {
            find_numbers(some, to);
            continue;
        }
        std::array<char, kAtOnce * kDigits> digits;
        std::array<std::string_view, kAtOnce> texts;
        for (std::size_t i = 0; i < some.size(); ++i) {
            char* text = digits.data() + i * kDigits;
            texts[i] = {text, std::to_chars(text, text + kDigits, some[i]).ptr};
        }
        find_texts(std::span<const std::string_view>(texts).first(some.size()), to);
    }
}

/// Of at most kAtOnce numbers that number_of_id() reads: memory is asked for all of them first, and what the table says is
/// checked for all of them last.
void IdIndex::find_numbers(std::span<const std::int64_t> numbers, std::span<std::int32_t> found) const {
    std::array<std::uint64_t, kAtOnce> places;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        places[i] = static_cast<std::uint64_t>(numbers[i]) - static_cast<std::uint64_t>(first_number_);
        if (places[i] < numbers_.size()) __builtin_prefetch(&numbers_[places[i]]);
    }
    std::uint32_t most = 0;  // index + 1
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        found[i] = places[i] < numbers_.size() ? numbers_[places[i]] : -1;
        most = std::max(most, static_cast<std::uint32_t>(found[i]) + 1);
    }
    if (most > static_cast<std::uint64_t>(size_)) no_such_index();
}

void IdIndex::find_texts(std::span<const std::string_view> ids, std::span<std::int32_t> found) const {
    std::array<std::size_t, kAtOnce> slots;
    for (std::size_t at = 0; at < ids.size(); at += kAtOnce) {
        const std::size_t count = std::min(kAtOnce, ids.size() - at);
        if (size_ == 0) {
            std::fill_n(found.begin() + static_cast<std::ptrdiff_t>(at), count, -1);
            continue;
        }
        for (std::size_t i = 0; i < count; ++i) {
            slots[i] = first_slot(table_, key_, ids[at + i]);
            __builtin_prefetch(&table_[slots[i]]);
        }
        prefetch(std::span(slots).first(count));
        for (std::size_t i = 0; i < count; ++i)
            found[at + i] = static_cast<std::int32_t>(
                                table_[find_slot(offsets_, bytes_, table_, slots[i], ids[at + i])]) -
                            1;
    }
}

/// Where the ids of some slots lie, and then the ids themselves.
void IdIndex::prefetch(std::span<const std::size_t> slots) const {
    const auto size = static_cast<std::uint32_t>(size_);
    for (const std::size_t slot : slots)
        if (table_[slot] - 1 < size) __builtin_prefetch(&offsets_[table_[slot] - 1]);
    for (const std::size_t slot : slots)
        if (table_[slot] - 1 < size) {
            const auto begin = static_cast<std::uint64_t>(offsets_[table_[slot] - 1]);
            if (begin < bytes_.size()) __builtin_prefetch(&bytes_[begin]);
        }
}

std::string_view IdIndex::id(std::int32_t index) const {
    if (index < 0 || index >= size_) corrupted("no id at index " + std::to_string(index));
    return id_at(offsets_, bytes_, static_cast<std::size_t>(index));
}

std::int64_t IdIndex::table_size(std::int64_t n) {
    const auto ids = static_cast<std::uint64_t>(n);
    return static_cast<std::int64_t>(std::bit_ceil(ids + ids / 2 + 1));
}

void IdIndex::build(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                    std::span<std::uint32_t> table, const IdHashKey& key, const Poll& poll) {
    if (offsets.empty()) corrupted("no offsets");
    const std::size_t ids = offsets.size() - 1;
    check_table(ids, table.size());
    std::memset(table.data(), 0, table.size_bytes());
    for (std::size_t i = 0; i < ids; ++i) {
        if (poll && i % kPollEvery == 0) poll();
        const std::string_view id = id_at(offsets, bytes, i);
        std::uint32_t& entry = table[find_slot(offsets, bytes, table, first_slot(table, key, id), id)];
        if (entry != 0) corrupted("duplicate id \"" + std::string(id) + "\"");
        entry = static_cast<std::uint32_t>(i + 1);
    }
}

void IdIndex::build_numbers(std::span<const std::int64_t> offsets, std::span<const std::uint8_t> bytes,
                            std::int64_t first, std::span<std::int32_t> numbers) {
    std::ranges::fill(numbers, -1);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        const std::string_view id = id_at(offsets, bytes, i);
        const auto number = number_of_id(id);
        if (!number) continue;
        const std::uint64_t at = static_cast<std::uint64_t>(*number) - static_cast<std::uint64_t>(first);
        if (at >= numbers.size()) corrupted("id \"" + std::string(id) + "\" is outside the declared numbers");
        numbers[at] = static_cast<std::int32_t>(i);
    }
}

}  // namespace seqrec
