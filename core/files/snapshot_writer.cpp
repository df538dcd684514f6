#include "core/files/snapshot_writer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/files/content_columns.hpp"
#include "core/files/id_index.hpp"
#include "core/files/snapshot.hpp"
#include "core/kinds/kind.hpp"
#include "core/scan/codes.hpp"

namespace seqrec {
namespace {

[[noreturn]] void invalid(const std::string& message) {
    throw Error(sqlstate::kDataCorrupted, "invalid snapshot: " + message);
}

[[noreturn]] void misused(const std::string& message) {
    throw Error(sqlstate::kInternal, "snapshot writer: " + message);
}

/// Which bytes of a weight have been given.
struct Coverage {
    std::size_t size;
    std::vector<std::pair<std::size_t, std::size_t>> parts;

    /// Whether the parts, put in order, follow each other from 0 to size.
    bool whole() {
        std::sort(parts.begin(), parts.end());
        std::size_t at = 0;
        for (const auto& [begin, end] : parts) {
            if (begin != at) return false;
            at = end;
        }
        return at == size;
    }
};

/// Ids and embeddings of one side, items or users, filled row by row.
struct Side {
    std::string prefix;
    std::int64_t count, dim, id_bytes;
    IdNumbers numbers;
    std::int64_t next = 0;
    std::span<std::int64_t> offsets{};
    std::span<std::uint8_t> bytes{};
    std::span<float> embedding{};

    void declare(SafetensorsWriter& file) const {
        file.declare<float>(prefix + ".embedding", {count, dim});
        file.declare<std::int64_t>(prefix + ".id.offsets", {count + 1});
        file.declare<std::uint8_t>(prefix + ".id.bytes", {id_bytes});
        file.declare<std::uint32_t>(prefix + ".id.hash", {IdIndex::table_size(count)});
        if (numbers.count == 0) return;
        file.declare<std::int32_t>(prefix + ".id.number", {numbers.count});
        file.declare<std::int64_t>(prefix + ".id.number.first", {1});
    }

    void map(SafetensorsWriter& file) {
        embedding = file.data<float>(prefix + ".embedding");
        offsets = file.data<std::int64_t>(prefix + ".id.offsets");
        bytes = file.data<std::uint8_t>(prefix + ".id.bytes");
        offsets[0] = 0;
    }

    void add(std::int64_t index, std::string_view id, std::span<const float> vector) {
        const std::string name = prefix + " " + std::to_string(index);
        if (index != next || index >= count) invalid(name + " is out of order");
        if (static_cast<std::int64_t>(vector.size()) != dim)
            invalid("embedding of " + name + " has a wrong length");
        if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); }))
            invalid("embedding of " + name + " is not finite");
        const auto row = static_cast<std::size_t>(next);
        const auto begin = static_cast<std::size_t>(offsets[row]);
        if (id.size() > bytes.size() - begin) invalid(prefix + " ids are longer than declared");
        std::copy(id.begin(), id.end(), bytes.begin() + static_cast<std::ptrdiff_t>(begin));
        std::copy(vector.begin(), vector.end(),
                  embedding.begin() + static_cast<std::ptrdiff_t>(row * vector.size()));
        offsets[row + 1] = static_cast<std::int64_t>(begin + id.size());
        ++next;
    }

    void finish(SafetensorsWriter& file, const IdHashKey& key, const Poll& poll) const {
        if (next != count) invalid(prefix + " " + std::to_string(next) + " is missing");
        if (offsets[static_cast<std::size_t>(count)] != id_bytes)
            invalid(prefix + " ids are shorter than declared");
        IdIndex::build(offsets, bytes, file.data<std::uint32_t>(prefix + ".id.hash"), key, poll);
        if (numbers.count == 0) return;
        file.data<std::int64_t>(prefix + ".id.number.first")[0] = numbers.first;
        IdIndex::build_numbers(offsets, bytes, numbers.first, file.data<std::int32_t>(prefix + ".id.number"));
    }
};

/// The items that the users have seen, list after list.
struct SeenLists {
    std::int64_t users, items, total;
    std::size_t next = 0;
    std::span<std::int64_t> offsets{};
    std::span<std::int32_t> all{};

    void declare(SafetensorsWriter& file) const {
        file.declare<std::int64_t>("user.seen.offsets", {users + 1});
        file.declare<std::int32_t>("user.seen.items", {total});
    }

    void map(SafetensorsWriter& file) {
        offsets = file.data<std::int64_t>("user.seen.offsets");
        all = file.data<std::int32_t>("user.seen.items");
        offsets[0] = 0;
    }

    void check(std::span<const std::int32_t> seen) const {
        if (seen.size() > all.size() - static_cast<std::size_t>(offsets[next]))
            invalid("the lists of seen items are longer than declared");
        if (!std::all_of(seen.begin(), seen.end(),
                         [&](std::int32_t item) { return item >= 0 && item < items; }))
            invalid("user " + std::to_string(next) + " has seen an item that is not there");
    }

    void add(std::span<const std::int32_t> seen) {
        std::copy(seen.begin(), seen.end(), all.begin() + offsets[next]);
        offsets[next + 1] = offsets[next] + static_cast<std::int64_t>(seen.size());
        ++next;
    }

    void finish() const {
        if (offsets[next] != total) invalid("the lists of seen items are shorter than declared");
    }
};

/// The items' rows in one byte a number, ordered by list.
struct CodeParts {
    std::int64_t items, dim, lists;

    std::int64_t groups() const {  // the last group of each list may have room left
        const auto rows = static_cast<std::int64_t>(kGroupRows);
        return (items + rows - 1) / rows + std::max<std::int64_t>(lists, 1) - 1;
    }

    void declare(SafetensorsWriter& file) const {
        const auto rows = static_cast<std::int64_t>(kGroupRows);
        const auto depth = static_cast<std::int64_t>(code_depth(static_cast<std::size_t>(dim)));
        file.declare<std::uint8_t>("code.values", {groups(), rows * depth});
        file.declare<float>("code.scale", {rows * groups()});
        file.declare<std::int32_t>("code.item", {rows * groups()});
        file.declare<float>("code.error", {1});
        file.declare<std::int64_t>("code.list", {std::max<std::int64_t>(lists, 1) + 1});
    }

    /// `list_of` gives each item's list; without an index it is empty.
    void fill(SafetensorsWriter& file, std::span<const std::int32_t> list_of, std::span<const float> matrix,
              std::span<const float> unit, const Poll& poll) const {
        const auto slot_item = file.data<std::int32_t>("code.item");
        place(file.data<std::int64_t>("code.list"), list_of, slot_item);
        file.data<float>("code.error")[0] =
            encode_rows(matrix, unit, static_cast<std::size_t>(dim),
                        {file.data<std::uint8_t>("code.values"), file.data<float>("code.scale"), slot_item,
                         code_depth(static_cast<std::size_t>(dim))},
                        poll);
    }

    /// Which item lies in which slot: list after list, each from a group's beginning on.
    void place(std::span<std::int64_t> first_group, std::span<const std::int32_t> list_of,
               std::span<std::int32_t> slot_item) const {
        const auto list_at = [&](std::int64_t item) {
            return list_of.empty() ? 0 : static_cast<std::size_t>(list_of[static_cast<std::size_t>(item)]);
        };
        const auto rows = static_cast<std::int64_t>(kGroupRows);
        std::vector<std::int64_t> next(first_group.size());
        for (std::int64_t item = 0; item < items; ++item) ++next[list_at(item) + 1];
        first_group[0] = 0;
        for (std::size_t list = 1; list < next.size(); ++list) {
            first_group[list] = first_group[list - 1] + (next[list] + rows - 1) / rows;
            next[list - 1] = first_group[list - 1] * rows;
        }
        std::fill(slot_item.begin(), slot_item.end(), -1);
        for (std::int64_t item = 0; item < items; ++item)
            slot_item[static_cast<std::size_t>(next[list_at(item)]++)] = static_cast<std::int32_t>(item);
    }
};

double length_of(std::span<const float> vector) {
    double square = 0;
    for (const float x : vector) square += static_cast<double>(x) * x;
    return std::sqrt(square);
}

/// 1 / a length; 0 when there is none to speak of, so that a score is 0 and not NaN.
float inverse(double length) {
    const auto scale = static_cast<float>(1 / length);
    return std::isfinite(scale) ? scale : 0;
}

/// What rows are multiplied with, so that the scan has none longer than 1.
struct Scales {
    ScoreForm form;
    std::int64_t items;
    double most = 0;
    std::span<float> scale{}, direction{}, longest{};

    bool is_cosine() const { return form.link == Link::Cosine; }

    void declare(SafetensorsWriter& file) const {
        file.declare<float>("item.scale", {items});
        if (!is_cosine()) file.declare<float>("item.direction", {items});
        file.declare<float>("item.longest", {1});
    }

    void map(SafetensorsWriter& file) {
        scale = file.data<float>("item.scale");
        if (!is_cosine()) direction = file.data<float>("item.direction");
        longest = file.data<float>("item.longest");
    }

    void add(std::size_t item, std::span<const float> row) {
        const double length = length_of(row);
        if (is_cosine()) {
            scale[item] = inverse(length);
        } else {
            direction[item] = inverse(length_of(form.item_bias ? row.first(row.size() - 1) : row));
            most = std::max(most, length);
        }
    }

    void finish() const {
        longest[0] = is_cosine() || most == 0 ? 1 : static_cast<float>(most);
        if (!is_cosine()) std::fill(scale.begin(), scale.end(), 1 / longest[0]);
    }
};

void check(const SnapshotWriter::Size& size) {
    constexpr std::int64_t kMaxRows = std::numeric_limits<std::int32_t>::max();
    if (size.items < 0 || size.items > kMaxRows) invalid("number of items out of range");
    if (size.users < 0 || size.users > kMaxRows) invalid("number of users out of range");
    if (size.lists < 0 || size.lists > size.items) invalid("number of lists out of range");
    if (size.dim < 1 || size.dim > kMaxRows || size.user_dim < 0 || size.user_dim > kMaxRows ||
        size.item_numbers.first < 0 || size.item_numbers.count < 0 || size.item_id_bytes < 0 ||
        size.user_id_bytes < 0 || size.seen_items < 0)
        invalid("size out of range");
}

/// The weights once more, as this machine's CPU reads them best; nothing for kinds that have no use for it.
struct PackedWeightsPart {
    const Packing* packing;
    std::string config;

    void declare(SafetensorsWriter& file) const {
        if (!packing) return;
        const auto lengths = [&](const std::string& weight, const Shape& shape) {
            if (!file.declares(weight, DType::F32, shape))
                invalid("weight \"" + weight + "\" is missing or of another shape");
            const auto length =
                std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies());
            return std::span(static_cast<const float*>(nullptr), static_cast<std::size_t>(length));
        };
        const auto size = static_cast<std::int64_t>(packing->size(config, lengths));
        file.declare<std::uint8_t>(packing->name(), {size});
    }

    void fill(SafetensorsWriter& file) const {
        if (!packing) return;
        const auto weights = [&](const std::string& weight, const Shape&) {
            return std::span<const float>(file.data<float>(weight));
        };
        packing->fill(config, weights, file.bytes(packing->name()));
    }
};

}  // namespace

struct SnapshotWriter::Impl {
    enum class State : std::uint8_t { Declaring, Filling, Done };

    Side items, users;
    SeenLists seen;
    CodeParts codes;
    PackedWeightsPart packed;
    Scales scales;
    IdHashKey key;
    SafetensorsWriter file{};
    std::map<std::string, Coverage, std::less<>> weights{};
    std::span<float> popularity{};
    std::span<double> seen_until{};
    std::vector<std::int32_t> lists{};  // of each item; empty without an index
    State state = State::Declaring;

    void require(State wanted, const char* call) const {
        if (state != wanted) misused(std::string(call) + " was called out of order");
    }

    bool is_ours(std::string_view name) const {
        if (is_kept_content(name)) return false;
        return name.starts_with("item.") || name.starts_with("user.") || name.starts_with("pad.") ||
               name.starts_with("code.") || name.starts_with("encoder.") || name.starts_with("__") ||
               name == "checksum";
    }
};

SnapshotWriter::SnapshotWriter(const Size& size, const Description& description) {
    const auto& [kind, score, config, version] = description;
    check(size);
    impl_ = std::make_unique<Impl>(Impl{{"item", size.items, size.dim, size.item_id_bytes, size.item_numbers},
                                        {"user", size.users, size.user_dim, size.user_id_bytes, {}},
                                        {size.users, size.items, size.seen_items},
                                        {size.items, size.dim, size.lists},
                                        {kind_of_model(kind).packing, config},
                                        {ScoreForm::parse(score), size.items},
                                        IdHashKey::of_version(version)});
    SafetensorsWriter& file = impl_->file;
    file.set_metadata("format", std::string(kSnapshotFormat));
    file.set_metadata("kind", kind);
    file.set_metadata("score", score);
    file.set_metadata("config", config);
    file.set_metadata("version", version);
    file.end_with_checksum();
    impl_->items.declare(file);
    impl_->scales.declare(file);
    file.declare<float>("item.popularity", {size.items});
    file.declare<double>("item.popularity.total", {1});
    impl_->codes.declare(file);
    impl_->users.declare(file);
    file.declare<double>("user.seen_until", {size.users});
    impl_->seen.declare(file);
}

void SnapshotWriter::weight(std::string name, DType dtype, Shape shape) {
    impl_->require(Impl::State::Declaring, "weight");
    if (impl_->is_ours(name)) invalid("no weight may be named \"" + name + "\"");
    if (!impl_->weights.try_emplace(name).second) invalid("weight \"" + name + "\" is declared twice");
    impl_->file.declare(std::move(name), dtype, std::move(shape));
}

void SnapshotWriter::create(const std::string& path) {
    impl_->require(Impl::State::Declaring, "create");
    impl_->packed.declare(impl_->file);
    impl_->file.create(path);
    impl_->state = Impl::State::Filling;
    impl_->items.map(impl_->file);
    impl_->users.map(impl_->file);
    impl_->scales.map(impl_->file);
    impl_->popularity = impl_->file.data<float>("item.popularity");
    impl_->seen_until = impl_->file.data<double>("user.seen_until");
    impl_->seen.map(impl_->file);
    for (auto& [name, coverage] : impl_->weights) coverage.size = impl_->file.bytes(name).size();
}

void SnapshotWriter::weight_part(std::string_view name, std::size_t offset, std::span<const std::byte> part) {
    impl_->require(Impl::State::Filling, "weight_part");
    const auto found = impl_->weights.find(name);
    if (found == impl_->weights.end()) invalid("weight \"" + std::string(name) + "\" was not declared");
    auto& [size, parts] = found->second;
    if (offset > size || part.size() > size - offset)
        invalid("weight \"" + std::string(name) + "\" is longer than declared");
    if (part.empty()) return;
    std::memcpy(impl_->file.bytes(name).data() + offset, part.data(), part.size());
    parts.emplace_back(offset, offset + part.size());
}

void SnapshotWriter::item(std::int64_t index, std::string_view id, std::span<const float> embedding,
                          float popularity, std::int32_t list) {
    impl_->require(Impl::State::Filling, "item");
    const bool indexed = impl_->codes.lists > 0;
    if (indexed ? list < 0 || list >= impl_->codes.lists : list != -1)
        invalid("item " + std::to_string(index) + " is in a list that is not there");
    if (!(std::isfinite(popularity) && popularity >= 0))
        invalid("popularity of item " + std::to_string(index) + " is out of range");
    impl_->items.add(index, id, embedding);
    impl_->scales.add(static_cast<std::size_t>(index), embedding);
    impl_->popularity[static_cast<std::size_t>(index)] = popularity;
    if (indexed) impl_->lists.push_back(list);
}

void SnapshotWriter::user(std::int64_t index, std::string_view id, std::span<const float> embedding,
                          double seen_until, std::span<const std::int32_t> seen) {
    impl_->require(Impl::State::Filling, "user");
    impl_->seen.check(seen);
    impl_->users.add(index, id, embedding);
    impl_->seen.add(seen);
    impl_->seen_until[static_cast<std::size_t>(index)] = seen_until;
}

FileState SnapshotWriter::commit(const Poll& poll) {
    impl_->require(Impl::State::Filling, "commit");
    for (auto& [name, coverage] : impl_->weights)
        if (!coverage.whole()) invalid("weight \"" + name + "\" has parts missing or given twice");
    impl_->packed.fill(impl_->file);
    impl_->items.finish(impl_->file, impl_->key, poll);
    impl_->users.finish(impl_->file, impl_->key, poll);
    impl_->seen.finish();
    impl_->scales.finish();
    impl_->codes.fill(impl_->file, impl_->lists, impl_->items.embedding, impl_->scales.scale, poll);
    impl_->file.data<double>("item.popularity.total")[0] =
        std::accumulate(impl_->popularity.begin(), impl_->popularity.end(), 0.0);
    const FileState state = impl_->file.commit(poll);
    impl_->state = Impl::State::Done;
    return state;
}

SnapshotWriter::SnapshotWriter(SnapshotWriter&&) noexcept = default;
SnapshotWriter& SnapshotWriter::operator=(SnapshotWriter&&) noexcept = default;
SnapshotWriter::~SnapshotWriter() = default;

}  // namespace seqrec
