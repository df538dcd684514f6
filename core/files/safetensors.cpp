#include "core/files/safetensors.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace seqrec {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "safetensors is little-endian, and so is this code");

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxData = std::size_t{1} << 62;  // room for sums that can't overflow
constexpr std::size_t kMaxHeader = 100u << 20;          // the limit of the reference implementation
constexpr std::size_t kBlock = 1 << 20;                 // what one checksum covers
constexpr const char* kChecksum = "checksum";

struct TypeInfo {
    DType dtype;
    std::string_view name;
    std::size_t size;
};
constexpr TypeInfo kTypes[] = {
    {DType::U8, "U8", 1},   {DType::I8, "I8", 1},   {DType::BF16, "BF16", 2}, {DType::I32, "I32", 4},
    {DType::U32, "U32", 4}, {DType::F32, "F32", 4}, {DType::I64, "I64", 8},   {DType::U64, "U64", 8},
    {DType::F64, "F64", 8}, {DType::F16, "F16", 2},
};

[[noreturn]] void corrupted_file(const std::string& message) {
    throw Error(sqlstate::kDataCorrupted, "invalid safetensors file: " + message);
}

std::size_t align_up(std::size_t value) { return (value + kAlignment - 1) / kAlignment * kAlignment; }

/// Bytes of a tensor; refuses negative lengths and products that overflow.
std::size_t byte_count(DType dtype, const Shape& shape) {
    std::size_t total = element_size(dtype);
    for (const std::int64_t length : shape) {
        if (length < 0) corrupted_file("negative length in a shape");
        std::size_t product = 0;
        if (__builtin_mul_overflow(total, static_cast<std::size_t>(length), &product))
            corrupted_file("shape too large");
        total = product;
    }
    return total;
}

/// A list of whole numbers; a fraction or 1e300 must not reach a cast that would make something of it.
template <typename T>
std::vector<T> whole_numbers(const json& list) {
    for (const json& element : list)
        if (!element.is_number_integer()) corrupted_file("a shape or an offset is not a whole number");
    return list.get<std::vector<T>>();
}

Tensor parse_tensor(const std::string& name, const json& entry, std::span<const std::byte> data,
                    bool aligned) {
    const DType dtype = parse_dtype(entry.at("dtype").get_ref<const std::string&>());
    const Shape shape = whole_numbers<std::int64_t>(entry.at("shape"));
    const auto offsets = whole_numbers<std::uint64_t>(entry.at("data_offsets"));
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size())
        corrupted_file("tensor \"" + name + "\" lies outside the file");
    const std::size_t length = offsets[1] - offsets[0];
    if (length != byte_count(dtype, shape))
        corrupted_file("tensor \"" + name + "\" does not match its shape");
    const std::span<const std::byte> bytes = data.subspan(offsets[0], length);
    if (aligned && reinterpret_cast<std::uintptr_t>(bytes.data()) % element_size(dtype) != 0)
        corrupted_file("tensor \"" + name + "\" is not aligned");
    return {dtype, shape, bytes};
}

std::uint64_t hash_of(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::size_t block_count(std::size_t size) { return (size + kBlock - 1) / kBlock; }

std::span<const std::byte> block(std::span<const std::byte> data, std::size_t number) {
    const std::size_t begin = number * kBlock;
    return data.subspan(begin, std::min(kBlock, data.size() - begin));
}

}  // namespace

std::size_t element_size(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)].size; }

std::string_view dtype_name(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)].name; }

DType parse_dtype(std::string_view name) {
    for (const TypeInfo& type : kTypes)
        if (type.name == name) return type.dtype;
    corrupted_file("unknown element type \"" + std::string(name) + "\"");
}

SafetensorsFile SafetensorsFile::open(const std::string& path, bool aligned) {
    SafetensorsFile result;
    result.file_ = MappedFile(path);
    const std::span<const std::byte> all = result.file_.bytes();
    std::uint64_t header_size = 0;
    if (all.size() < sizeof header_size) corrupted_file("shorter than its header");
    std::memcpy(&header_size, all.data(), sizeof header_size);
    if (header_size > kMaxHeader || header_size > all.size() - sizeof header_size)
        corrupted_file("header length out of range");
    const char* text = reinterpret_cast<const char*>(all.data()) + sizeof header_size;
    result.data_start_ = sizeof header_size + header_size;
    const std::span<const std::byte> data = all.subspan(result.data_start_);
    try {
        const json header = json::parse(text, text + header_size);
        for (const auto& [name, entry] : header.items()) {
            if (name == "__metadata__")
                for (const auto& [key, value] : entry.items())
                    result.metadata_[key] = value.get_ref<const std::string&>();
            else
                result.tensors_.emplace(name, parse_tensor(name, entry, data, aligned));
        }
    } catch (const json::exception& error) {
        corrupted_file(std::string("header is not as the format says: ") + error.what());
    }
    return result;
}

const Tensor& SafetensorsFile::tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) corrupted_file("no tensor \"" + std::string(name) + "\"");
    return found->second;
}

const std::string& SafetensorsFile::meta(std::string_view key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) corrupted_file("no metadata \"" + std::string(key) + "\"");
    return found->second;
}

const Tensor& SafetensorsFile::checked(std::string_view name, DType dtype, const Shape& shape) const {
    const Tensor& found = tensor(name);
    bool same = found.dtype == dtype && found.shape.size() == shape.size();
    for (std::size_t i = 0; same && i < shape.size(); ++i)
        same = shape[i] == -1 || shape[i] == found.shape[i];
    if (!same) corrupted_file("tensor \"" + std::string(name) + "\" has an unexpected type or shape");
    return found;
}

void SafetensorsFile::verify(const Poll& poll) const {
    const std::span<const std::uint64_t> wanted = get<std::uint64_t>(kChecksum, {-1});
    const std::span<const std::byte> all = file_.bytes();
    if (std::as_bytes(wanted).data() + wanted.size_bytes() != all.data() + all.size())
        corrupted_file("the checksum is not the end of the file");
    const std::span<const std::byte> header = all.first(data_start_);
    const std::span<const std::byte> data =
        all.subspan(data_start_, all.size() - data_start_ - wanted.size_bytes());
    if (wanted.size() != 1 + block_count(data.size())) corrupted_file("the checksum has another length");
    file_.populate(0, data_start_);
    file_.populate(data_start_ + data.size(), wanted.size_bytes());
    if (hash_of(header) != wanted[0]) corrupted_file("the header does not match its checksum");
    for (std::size_t i = 0; i + 1 < wanted.size(); ++i) {
        if (poll) poll();
        file_.populate(data_start_ + i * kBlock, block(data, i).size());
        if (hash_of(block(data, i)) != wanted[i + 1])
            corrupted_file("MiB " + std::to_string(i) + " of the data does not match its checksum");
    }
}

void SafetensorsWriter::declare(std::string name, DType dtype, Shape shape) {
    slots_.push_back({std::move(name), dtype, std::move(shape)});
}

bool SafetensorsWriter::declares(std::string_view name, DType dtype, const Shape& shape) const {
    return std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
        return slot.name == name && slot.dtype == dtype && slot.shape == shape;
    });
}

std::string SafetensorsWriter::layout() {
    json header = json::object();
    if (!metadata_.empty()) header["__metadata__"] = metadata_;
    std::size_t at = 0, pads = 0;
    const auto entry = [](std::string_view dtype, const Shape& shape, std::size_t begin, std::size_t end) {
        return json{{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
    };
    if (with_checksum_) slots_.push_back({kChecksum, DType::U64, {}});
    for (Slot& slot : slots_) {
        slot.begin = align_up(at);
        if (with_checksum_ && &slot == &slots_.back())
            slot.shape = {static_cast<std::int64_t>(1 + block_count(slot.begin))};
        if (slot.begin != at)
            header["pad." + std::to_string(pads++)] =
                entry("U8", {static_cast<std::int64_t>(slot.begin - at)}, at, slot.begin);
        if (__builtin_add_overflow(slot.begin, byte_count(slot.dtype, slot.shape), &slot.end) ||
            slot.end > kMaxData)
            corrupted_file("tensors too large");
        at = slot.end;
        header[slot.name] = entry(dtype_name(slot.dtype), slot.shape, slot.begin, slot.end);
    }
    std::string text = header.dump();
    text.resize(align_up(sizeof(std::uint64_t) + text.size()) - sizeof(std::uint64_t), ' ');
    return text;
}

void SafetensorsWriter::create(const std::string& path) {
    const std::string header = layout();
    const std::uint64_t header_size = header.size();
    data_start_ = sizeof header_size + header.size();
    file_ = NewFile(path, data_start_ + (slots_.empty() ? 0 : slots_.back().end));
    std::memcpy(file_.bytes().data(), &header_size, sizeof header_size);
    std::memcpy(file_.bytes().data() + sizeof header_size, header.data(), header.size());
}

std::span<std::byte> SafetensorsWriter::bytes(std::string_view name) {
    for (const Slot& slot : slots_)
        if (slot.name == name) return file_.bytes().subspan(data_start_ + slot.begin, slot.end - slot.begin);
    throw Error(sqlstate::kInternal, "tensor \"" + std::string(name) + "\" was not declared");
}

void SafetensorsWriter::fill_checksum(const Poll& poll) {
    const std::span<std::uint64_t> sums = data<std::uint64_t>(kChecksum);
    const std::span<const std::byte> all = file_.bytes();
    const std::span<const std::byte> covered = all.subspan(data_start_, slots_.back().begin);
    sums[0] = hash_of(all.first(data_start_));
    for (std::size_t i = 0; i + 1 < sums.size(); ++i) {
        if (poll) poll();
        sums[i + 1] = hash_of(block(covered, i));
    }
}

FileState SafetensorsWriter::commit(const Poll& poll) {
    if (with_checksum_) fill_checksum(poll);
    return file_.commit();
}

}  // namespace seqrec
