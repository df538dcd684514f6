#include "core/files/dataset_writer.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace seqrec {
namespace {

/// Enough for one search's memory to arrive while others begin.
constexpr std::size_t kSearchesAtOnce = 32;

constexpr std::size_t kShownBytes = 40;

constexpr const char* kSides[] = {"item", "user"};  // by Side

std::string prefix_of(Side side) { return std::string(kSides[static_cast<std::size_t>(side)]) + ".feature."; }

/// `what`: whose id it is, with its article. Only texts can be long.
void check_length(const Id& id, const char* what) {
    const auto* text = std::get_if<std::string_view>(&id);
    if (!text || text->size() <= kMostIdBytes) return;
    throw Error(sqlstate::kLimitExceeded,
                std::string(what) + " id of " + std::to_string(text->size()) + " bytes is too long: \"" +
                    std::string(beginning(*text, kShownBytes)) + "...\"",
                "An id may have at most " + std::to_string(kMostIdBytes) + " bytes.");
}

}  // namespace

DatasetWriter::DatasetWriter(const std::string& folder, std::int64_t most)
    : folder_(folder),
      most_users_(most),
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
    if (users_) (void)users_->index_of(id);
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

void DatasetWriter::add_table(Side side, std::vector<FeatureSpec> specs) {
    tables_[static_cast<std::size_t>(side)].emplace(std::move(specs));
    if (side == Side::User) users_.emplace(most_users_, "users");
}

void DatasetWriter::add_item_content(bool text, bool vector) {
    if (text) item_text_.emplace(folder_);
    if (vector) item_vectors_.emplace(folder_);
}

void DatasetWriter::add_event_columns(const std::vector<FeatureSpec>& specs, bool label, bool weight,
                                      bool excluded) {
    for (const FeatureSpec& spec : specs) event_columns_.emplace_back(spec, folder_);
    if (label) label_.emplace(folder_);
    if (weight) weight_.emplace(folder_);
    if (excluded) excluded_.emplace(folder_);
}

/// The index of an item or user, new ones at the end.
std::int32_t DatasetWriter::index_of(Side side, const Id& id) {
    if (side == Side::Item) return items_.index_of(id);
    const std::int32_t index = users_->index_of(id);
    if (index == counts_.users) begin_user(id);
    return index;
}

std::int64_t DatasetWriter::count(Side side) {
    finish_searches();
    return side == Side::Item ? items_.size() : counts_.users;
}

void DatasetWriter::add_item(const Id& id) {
    check_length(id, "an item");
    finish_searches();
    (void)items_.index_of(id);
}

bool DatasetWriter::begin_row(Side side, const Id& id) {
    check_length(id, side == Side::Item ? "an item" : "a user");
    finish_searches();
    const std::int32_t index = index_of(side, id);
    if (side == Side::Item) current_item_ = index;
    return table(side).begin_row(index);
}

/// What the features are called: nothing where there are none.
void DatasetWriter::describe(SafetensorsWriter& writer) const {
    nlohmann::json features = {{"item", nlohmann::json::array()},
                               {"user", nlohmann::json::array()},
                               {"event", nlohmann::json::array()}};
    bool any = false;
    const auto add = [&](const char* side, const std::vector<FeatureColumn>& columns) {
        for (const FeatureColumn& column : columns) features[side].push_back(to_json(column.spec()));
        any = any || !columns.empty();
    };
    for (const Side side : {Side::Item, Side::User})
        if (const auto& table = tables_[static_cast<std::size_t>(side)])
            add(kSides[static_cast<std::size_t>(side)], table->columns());
    add("event", event_columns_);
    if (any) writer.set_metadata("features", features.dump());
}

void DatasetWriter::declare_features(SafetensorsWriter& writer) const {
    for (const Side side : {Side::Item, Side::User})
        if (const auto& table = tables_[static_cast<std::size_t>(side)])
            table->declare(writer, prefix_of(side), rows_of(side));
    if (tables_[static_cast<std::size_t>(Side::Item)])
        writer.declare<std::uint8_t>("item.listed", {counts_.items});
    if (item_text_) item_text_->declare(writer, "item.text", counts_.items);
    if (item_vectors_) item_vectors_->declare(writer, "item.vector", counts_.items);
    for (std::size_t c = 0; c < event_columns_.size(); ++c)
        event_columns_[c].declare(writer, "event.feature." + std::to_string(c), counts_.interactions);
    if (label_) writer.declare<float>("event.label", {counts_.interactions});
    if (weight_) writer.declare<float>("event.weight", {counts_.interactions});
    if (excluded_) writer.declare<std::uint8_t>("event.excluded", {counts_.interactions});
}

void DatasetWriter::write_features(SafetensorsWriter& writer) {
    for (const Side side : {Side::Item, Side::User})
        if (tables_[static_cast<std::size_t>(side)])
            table(side).write(writer, prefix_of(side), rows_of(side));
    if (tables_[static_cast<std::size_t>(Side::Item)])
        table(Side::Item).write_listed(writer.data<std::uint8_t>("item.listed"));
    if (item_text_) item_text_->write(writer, "item.text");
    if (item_vectors_) item_vectors_->write(writer, "item.vector");
    for (std::size_t c = 0; c < event_columns_.size(); ++c)
        event_columns_[c].write(writer, "event.feature." + std::to_string(c), nullptr);
    if (label_) label_->copy_to(writer.bytes("event.label"));
    if (weight_) weight_->copy_to(writer.bytes("event.weight"));
    if (excluded_) excluded_->copy_to(writer.bytes("event.excluded"));
}

void DatasetWriter::write(const std::string& path) {
    finish_searches();
    counts_.items = items_.size();
    user_offsets_.put(counts_.interactions);
    SafetensorsWriter writer;
    writer.end_with_checksum();
    for (const auto& [key, value] : metadata_) writer.set_metadata(key, value);
    writer.set_metadata("format", "seqrec-dataset/1");
    describe(writer);
    writer.declare<std::int64_t>("user.offsets", {counts_.users + 1});
    writer.declare<std::int32_t>("event.item", {counts_.interactions});
    writer.declare<double>("event.time", {counts_.interactions});
    writer.declare<std::int64_t>("user.id.offsets", {counts_.users + 1});
    writer.declare<std::uint8_t>("user.id.bytes", {static_cast<std::int64_t>(user_id_bytes_.size())});
    writer.declare<std::int64_t>("item.id.offsets", {counts_.items + 1});
    writer.declare<std::uint8_t>("item.id.bytes", {static_cast<std::int64_t>(items_.bytes().size())});
    declare_features(writer);
    writer.create(path);
    user_offsets_.copy_to(writer.bytes("user.offsets"));
    event_items_.copy_to(writer.bytes("event.item"));
    event_times_.copy_to(writer.bytes("event.time"));
    user_id_offsets_.copy_to(writer.bytes("user.id.offsets"));
    user_id_bytes_.copy_to(writer.bytes("user.id.bytes"));
    std::ranges::copy(std::as_bytes(items_.offsets()), writer.bytes("item.id.offsets").begin());
    std::ranges::copy(std::as_bytes(items_.bytes()), writer.bytes("item.id.bytes").begin());
    write_features(writer);
    writer.commit();  // an interrupted job goes on with it, after a power loss too
}

}  // namespace seqrec
