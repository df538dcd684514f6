#include "core/dataset.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

namespace seqrec {
namespace {

[[noreturn]] void fail(const char* what) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    throw Error(full ? sqlstate::kDiskFull : sqlstate::kIo,
                std::string("could not ") + what + " a temporary file: " + std::strerror(errno),
                full ? "Free some disk space and try again." : "");
}

template <typename T>
void put(SpoolColumn& column, T value) {
    column.append(&value, sizeof value);
}

}  // namespace

IdMap::IdMap() {
    std::random_device random;
    const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
    key_ = {word(), word()};
}

std::string_view IdMap::id(std::int32_t index) const {
    const std::int64_t begin = offsets_[index], end = offsets_[index + 1];
    return {bytes_.data() + begin, static_cast<std::size_t>(end - begin)};
}

std::size_t IdMap::slot_of(std::string_view id) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(id)&mask;
    while (table_[slot] != 0 && this->id(static_cast<std::int32_t>(table_[slot] - 1)) != id)
        slot = (slot + 1) & mask;
    return slot;
}

void IdMap::grow() {
    table_.assign(table_.size() * 2, 0);
    for (std::int64_t index = 0; index < size(); ++index)
        table_[slot_of(id(static_cast<std::int32_t>(index)))] = static_cast<std::uint32_t>(index + 1);
}

std::int32_t IdMap::index_of(std::string_view id) {
    std::size_t slot = slot_of(id);
    if (table_[slot] != 0) return static_cast<std::int32_t>(table_[slot] - 1);
    if (size() >= std::numeric_limits<std::int32_t>::max() - 1)
        throw Error("54000", "too many different ids", "A model holds at most 2147483646 items.");
    if (static_cast<std::size_t>(size()) * 2 >= table_.size()) {
        grow();
        slot = slot_of(id);
    }
    bytes_.insert(bytes_.end(), id.begin(), id.end());
    offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
    table_[slot] = static_cast<std::uint32_t>(size());
    return static_cast<std::int32_t>(size() - 1);
}

SpoolColumn::SpoolColumn(const std::string& folder) {
    std::string path = folder + "/spool.XXXXXX";
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) fail("create");
    ::unlink(path.c_str());
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) fail("open");
}

void SpoolColumn::append(const void* data, std::size_t size) {
    if (size != 0 && std::fwrite(data, size, 1, file_.get()) != 1) fail("write");
    size_ += size;
}

void SpoolColumn::copy_to(std::span<std::byte> target) {
    if (std::fflush(file_.get()) != 0) fail("write");
    std::rewind(file_.get());
    if (!target.empty() && std::fread(target.data(), target.size(), 1, file_.get()) != 1) fail("read");
}

DatasetWriter::DatasetWriter(const std::string& folder)
    : user_offsets_(folder),
      user_id_offsets_(folder),
      user_id_bytes_(folder),
      event_items_(folder),
      event_times_(folder) {
    put<std::int64_t>(user_id_offsets_, 0);
}

void DatasetWriter::begin_user(std::string_view id) {
    put(user_offsets_, counts_.interactions);
    user_id_bytes_.append(id.data(), id.size());
    put(user_id_offsets_, static_cast<std::int64_t>(user_id_bytes_.size()));
    ++counts_.users;
}

void DatasetWriter::interaction(std::string_view item, double time) {
    put(event_items_, items_.index_of(item));
    put(event_times_, time);
    ++counts_.interactions;
}

void DatasetWriter::write(const std::string& path) {
    counts_.items = items_.size();
    put(user_offsets_, counts_.interactions);
    SafetensorsWriter writer;
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
    std::memcpy(writer.bytes("item.id.offsets").data(), items_.offsets().data(),
                items_.offsets().size_bytes());
    std::memcpy(writer.bytes("item.id.bytes").data(), items_.bytes().data(), items_.bytes().size_bytes());
    writer.commit(Durability::Scratch);  // a job that is interrupted starts again
}

}  // namespace seqrec
