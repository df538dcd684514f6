#include "jobs/trained_files.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/files/content_columns.hpp"
#include "core/kinds/kind.hpp"

namespace seqrec {
namespace {

[[noreturn]] void bad_model(const std::string& what, const char* hint = "") {
    throw Error(sqlstate::kDataCorrupted, what, hint);
}

void check_finite(std::span<const float> values, const char* name) {
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
        bad_model(std::string("the trained ") + name + " is not finite", "Try a smaller learning_rate.");
}

bool all_below(std::span<const std::int32_t> indexes, std::int64_t limit) {
    return std::all_of(indexes.begin(), indexes.end(),
                       [&](std::int32_t at) { return at >= 0 && at < limit; });
}

SafetensorsFile open_model(const std::string& folder) {
    SafetensorsFile file = SafetensorsFile::open(folder + "/model.safetensors");
    if (file.meta("format") != "seqrec-model/2")
        bad_model("the trainer wrote a model of an unknown format",
                  "Install the seqrec-trainer that belongs to this version of the extension.");
    (void)kind_of(file);
    (void)ScoreForm::parse(file.meta("score"));
    return file;
}

bool spans(std::span<const std::int64_t> offsets, std::size_t total) {
    return !offsets.empty() && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
           offsets.back() == static_cast<std::int64_t>(total);
}

}  // namespace

IdColumn::IdColumn(const SafetensorsFile& file, const std::string& prefix)
    : offsets(file.get<std::int64_t>(prefix + ".id.offsets", {-1})),
      bytes(file.get<std::uint8_t>(prefix + ".id.bytes", {-1})) {
    if (!spans(offsets, bytes.size()))
        bad_model("the job's " + prefix + ".id.offsets do not span its ids",
                  "Give the job up with seqrec_cancel and start again with seqrec_train.");
}

std::string_view IdColumn::operator[](std::int64_t index) const {
    const auto at = static_cast<std::size_t>(index);
    return {reinterpret_cast<const char*>(bytes.data()) + offsets[at],
            static_cast<std::size_t>(offsets[at + 1] - offsets[at])};
}

Matrix::Matrix(const SafetensorsFile& model, const char* name, std::int64_t rows)
    : values(model.get<float>(name, {rows, -1})), width(model.tensor(name).shape[1]) {
    check_finite(values, name);
}

std::span<const float> Matrix::operator[](std::int64_t row) const {
    return values.subspan(static_cast<std::size_t>(row * width), static_cast<std::size_t>(width));
}

SeenItems::SeenItems(const SafetensorsFile& model, std::int64_t users, std::int64_t catalogue)
    : offsets(model.get<std::int64_t>("user.seen.offsets", {users + 1})),
      items(model.get<std::int32_t>("user.seen.items", {-1})) {
    if (!spans(offsets, items.size())) bad_model("the trained user.seen.offsets do not span user.seen.items");
    if (!all_below(items, catalogue)) bad_model("the trained user.seen.items name items that are not there");
}

std::span<const std::int32_t> SeenItems::operator[](std::int64_t user) const {
    const auto at = static_cast<std::size_t>(user);
    return items.subspan(static_cast<std::size_t>(offsets[at]),
                         static_cast<std::size_t>(offsets[at + 1] - offsets[at]));
}

TrainedFiles::TrainedFiles(const std::string& folder)
    : model(open_model(folder)),
      dataset(SafetensorsFile::open(folder + "/dataset.safetensors")),
      item_ids(holder_of("item"), "item"),
      user_ids(holder_of("user"), "user"),
      item_rows(model, "item.embedding", item_ids.count()),
      user_rows(model, "user.embedding", user_ids.count()),
      popularity(model.get<float>("item.popularity", {item_ids.count()})),
      seen_until(model.get<double>("user.seen_until", {user_ids.count()})),
      seen(model, user_ids.count(), item_ids.count()) {
    check_finite(popularity, "item.popularity");
    read_lists();
}

const SafetensorsFile& TrainedFiles::holder_of(const std::string& side) const {
    return model.contains(side + ".id.offsets") ? model : dataset;
}

void TrainedFiles::read_lists() {
    const auto count = nlohmann::json::parse(model.meta("config")).value("lists", std::int64_t{0});
    if ((count > 0) != model.contains("item.list")) bad_model("the trainer wrote half of an index");
    if (count <= 0) return;
    check_finite(model.get<float>("list.centroid", {count, item_rows.width}), "list.centroid");
    lists = model.get<std::int32_t>("item.list", {item_ids.count()});
    if (!all_below(lists, count)) bad_model("the trained item.list names lists that are not there");
}

void TrainedFiles::expect_kind(std::string_view kind) const {
    if (model.meta("kind") != kind)
        bad_model("the trainer wrote a model of kind \"" + model.meta("kind") + "\", not \"" +
                  std::string(kind) + "\"");
}

bool is_weight(std::string_view name) {
    return is_kept_content(name) || (!name.starts_with("item.") && !name.starts_with("user.") &&
                                     !name.starts_with("pad.") && name != "checksum");
}

}  // namespace seqrec
