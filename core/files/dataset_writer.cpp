#include "core/files/dataset_writer.hpp"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>

namespace seqrec {
namespace {

/// Enough for one search's memory to arrive while others begin.
constexpr std::size_t kSearchesAtOnce = 32;

constexpr char kLimitExceeded[] = "54000";
constexpr std::size_t kShownBytes = 40;

[[noreturn]] void fail(const char* what) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    throw Error(full ? sqlstate::kDiskFull : sqlstate::kIo,
                std::string("could not ") + what + " a temporary file: " + std::strerror(errno),
                full ? "Free some disk space and try again." : "");
}

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

/// At most `most` bytes, and no part of a character.
std::string_view beginning(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    const auto inside = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
    while (most > 0 && inside(most)) --most;
    return text.substr(0, most);
}

/// `what`: whose id it is, with its article. Only texts can be long.
void check_length(const Id& id, const char* what) {
    const auto* text = std::get_if<std::string_view>(&id);
    if (!text || text->size() <= kMostIdBytes) return;
    throw Error(kLimitExceeded,
                std::string(what) + " id of " + std::to_string(text->size()) + " bytes is too long: \"" +
                    std::string(beginning(*text, kShownBytes)) + "...\"",
                "An id may have at most " + std::to_string(kMostIdBytes) + " bytes.");
}

void check_room(std::int64_t count, std::int64_t most, const char* what) {
    if (count >= most)
        throw Error(kLimitExceeded, std::string("too many different ") + what,
                    "A model holds at most " + std::to_string(most) + " " + what + ".");
}

}  // namespace

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

IdMap::IdMap(std::int64_t most) : most_(most), key_(random_key()), numbers_(key_), uuids_(key_) {}

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
    check_room(size(), most_, "items");
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

SpoolColumn::SpoolColumn(const std::string& folder) {
    std::string path = folder + "/spool.XXXXXX";
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) fail("create");
    ::unlink(path.c_str());
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) fail("open");
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // the buffer is this object's own
}

void SpoolColumn::write(const void* data, std::size_t size) {
    if (size != 0 && std::fwrite(data, size, 1, file_.get()) != 1) fail("write");
    written_ += size;
}

void SpoolColumn::flush() {
    write(buffer_.data(), used_);
    used_ = 0;
}

void SpoolColumn::append(const void* data, std::size_t size) {
    if (used_ + size > buffer_.size()) flush();
    if (size > buffer_.size()) return write(data, size);
    if (size != 0) std::memcpy(buffer_.data() + used_, data, size);
    used_ += size;
}

void SpoolColumn::copy_to(std::span<std::byte> target) {
    flush();
    std::rewind(file_.get());
    if (!target.empty() && std::fread(target.data(), target.size(), 1, file_.get()) != 1) fail("read");
}

DatasetWriter::DatasetWriter(const std::string& folder, std::int64_t most)
    : most_users_(most),
      items_(most),
      user_offsets_(folder),
      user_id_offsets_(folder),
      user_id_bytes_(folder),
      event_items_(folder),
      event_times_(folder) {
    user_id_offsets_.put<std::int64_t>(0);
}

void DatasetWriter::begin_user(const Id& id) {
    check_length(id, "a user");
    check_room(counts_.users, most_users_, "users");
    user_offsets_.put(counts_.interactions);
    const std::string text = id_text(id);
    user_id_bytes_.append(text.data(), text.size());
    user_id_offsets_.put(static_cast<std::int64_t>(user_id_bytes_.size()));
    ++counts_.users;
}

void DatasetWriter::interaction(const Id& item, double time) {
    check_length(item, "an item");
    searches_.push_back(items_.begin(item));
    event_times_.put(time);
    ++counts_.interactions;
    const bool text = std::holds_alternative<std::string_view>(item);  // the caller's: it can't wait
    if (text || searches_.size() == kSearchesAtOnce) finish_searches();
}

void DatasetWriter::finish_searches() {
    for (const IdMap::Search& search : searches_) event_items_.put(items_.finish(search));
    searches_.clear();
}

void DatasetWriter::write(const std::string& path) {
    finish_searches();
    counts_.items = items_.size();
    user_offsets_.put(counts_.interactions);
    SafetensorsWriter writer;
    for (const auto& [key, value] : metadata_) writer.set_metadata(key, value);
    writer.set_metadata("format", "seqrec-dataset/1");
    writer.declare<std::int64_t>("user.offsets", {counts_.users + 1});
    writer.declare<std::int32_t>("event.item", {counts_.interactions});
    writer.declare<double>("event.time", {counts_.interactions});
    writer.declare<std::int64_t>("user.id.offsets", {counts_.users + 1});
    writer.declare<std::uint8_t>("user.id.bytes", {static_cast<std::int64_t>(user_id_bytes_.size())});
    writer.declare<std::int64_t>("item.id.offsets", {counts_.items + 1});
    writer.declare<std::uint8_t>("item.id.bytes", {static_cast<std::int64_t>(items_.bytes().size())});
    writer.create(path);
    user_offsets_.copy_to(writer.bytes("user.offsets"));
    event_items_.copy_to(writer.bytes("event.item"));
    event_times_.copy_to(writer.bytes("event.time"));
    user_id_offsets_.copy_to(writer.bytes("user.id.offsets"));
    user_id_bytes_.copy_to(writer.bytes("user.id.bytes"));
    std::ranges::copy(std::as_bytes(items_.offsets()), writer.bytes("item.id.offsets").begin());
    std::ranges::copy(std::as_bytes(items_.bytes()), writer.bytes("item.id.bytes").begin());
    writer.commit();  // an interrupted job goes on with it, after a power loss too
}

}  // namespace seqrec
