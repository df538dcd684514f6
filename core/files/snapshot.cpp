#include "core/files/snapshot.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/ages.hpp"
#include "core/error.hpp"
#include "core/kinds/kind.hpp"

namespace seqrec {
namespace {

[[noreturn]] void invalid(const std::string& message) {
    throw Error(sqlstate::kDataCorrupted, "invalid snapshot: " + message);
}

std::unique_ptr<const SafetensorsFile> check(SafetensorsFile file) {
    if (file.meta("format") != kSnapshotFormat)
        invalid(std::string("the format is not ").append(kSnapshotFormat));
    file.meta("version");
    return std::make_unique<const SafetensorsFile>(std::move(file));
}

Codes read_codes(const SafetensorsFile& file, std::size_t depth) {
    const auto item = file.get<std::int32_t>("code.item", {-1});
    const auto slots = static_cast<std::int64_t>(item.size());
    const std::int64_t group = static_cast<std::int64_t>(kGroupRows);
    if (slots % group != 0) invalid("the last group is not whole");
    return {file.get<std::uint8_t>("code.values", {slots / group, group * static_cast<std::int64_t>(depth)}),
            file.get<float>("code.scale", {slots}), item, depth, file.get<float>("code.error", {1})[0]};
}

Lists read_lists(const SafetensorsFile& file, std::int64_t dim) {
    Lists lists;
    lists.first_group = file.get<std::int64_t>("code.list", {-1});
    lists.group_count = file.tensor("code.values").shape[0];
    if (lists.size() < 1) invalid("there is no list");
    if (lists.size() > 1) lists.centroid = file.get<float>("list.centroid", {lists.size(), dim});
    return lists;
}

Rows read_directions(const SafetensorsFile& file, Rows rows, const ScoreForm& form) {
    if (form.link != Link::Cosine)
        rows.unit = file.get<float>("item.direction", {static_cast<std::int64_t>(rows.unit.size())});
    return rows;
}

}  // namespace

Snapshot Snapshot::open(const std::string& path) { return open(SafetensorsFile::open(path)); }

Snapshot Snapshot::open(SafetensorsFile file) { return Snapshot(check(std::move(file))); }

Snapshot::Snapshot(std::unique_ptr<const SafetensorsFile> file)
    : file_(std::move(file)),
      form_(ScoreForm::parse(file_->meta("score"))),
      encoder_(kind_of(*file_).open(*file_)),
      items_(*file_, "item"),
      users_(*file_, "user"),
      longest_(file_->get<float>("item.longest", {1})[0]) {
    (void)file_->get<float>("user.embedding", {users_.size(), -1});
    rows_ = {file_->get<float>("item.embedding", {items_.size(), dim()}),
             file_->get<float>("item.scale", {items_.size()})};
    directions_ = read_directions(*file_, rows_, form_);
    codes_ = read_codes(*file_, code_depth(static_cast<std::size_t>(dim())));
    lists_ = read_lists(*file_, dim());
    popularity_total_ = file_->get<double>("item.popularity.total", {1})[0];
    item_popularity_ = file_->get<float>("item.popularity", {items_.size()});
    seen_offsets_ = file_->get<std::int64_t>("user.seen.offsets", {users_.size() + 1});
    seen_items_ = file_->get<std::int32_t>("user.seen.items", {-1});
    read_config();
}

/// A config without repeats is of a version that reduced them all.
void Snapshot::read_config() {
    const auto config = nlohmann::json::parse(file_->meta("config"), nullptr, false);
    if (!config.is_object()) return;
    const auto number = [&](const char* name) { return config.contains(name) && config[name].is_number(); };
    if (number("probes")) lists_.probes = config["probes"].get<std::int64_t>();
    if (number("temperature")) temperature_ = config["temperature"];
    keeps_repeats_ = config.contains("repeats") && config["repeats"] == "keep";
    merges_repeats_ = number("merge_seconds");
    if (!keeps_repeats_ || !config.contains("repeat_shifts")) return;
    for (const auto& shift : config["repeat_shifts"]) {
        if (!shift.is_number()) invalid("a repeat shift is no number");
        repeat_shifts_.push_back(shift);
    }
    if (repeat_shifts_.size() != kAges) invalid("there is no shift for each age");
}

std::span<const std::int32_t> Snapshot::seen(std::int32_t user) const {
    if (user < 0 || user >= users_.size()) invalid("no user " + std::to_string(user));
    const auto at = static_cast<std::size_t>(user);
    const std::int64_t begin = seen_offsets_[at], end = seen_offsets_[at + 1];
    if (begin < 0 || begin > end || end > static_cast<std::int64_t>(seen_items_.size()))
        invalid("the seen items of user " + std::to_string(user) + " leave the file");
    return seen_items_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

}  // namespace seqrec
