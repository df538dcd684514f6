#include "run/refresh.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "clock.hpp"
#include "core/error.hpp"
#include "core/files/id_index.hpp"
#include "core/options.hpp"
#include "data/item_content.hpp"
#include "files/tensor_file.hpp"
#include "index/list_index.hpp"
#include "kinds/trainer_kind.hpp"
#include "run/earlier_model.hpp"
#include "run/workers.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;
using Rows = std::vector<std::int32_t>;

constexpr float kChanged = 1e-4f;  // of a row's length: more than rounding does

/// The items of the new version, those of the earlier one in their order, then the new ones.
struct Catalogue {
    Rows earlier;  // of each item its row in the earlier version, -1 for a new one
    Rows table;    // of each item its row in the table, -1 for one that never was there
    Rows places;   // of each row of the earlier version its item now, -1 for one that is dropped
    std::int64_t added = 0, dropped = 0;

    Catalogue(const SafetensorsFile& file, const Rows& known_as) {
        const auto rows = static_cast<std::size_t>(file.tensor("item.embedding").shape.at(0));
        Rows listed(rows, -1);
        for (std::size_t t = 0; t < known_as.size(); ++t)
            if (known_as[t] >= 0)
                listed[static_cast<std::size_t>(known_as[t])] = static_cast<std::int32_t>(t);
        const bool knows_lists = file.contains("item.listed");
        if (knows_lists) (void)file.get<std::uint8_t>("item.listed", {static_cast<std::int64_t>(rows)});
        const Tensor was_listed = knows_lists ? read_tensor(file, "item.listed")
                                              : at::zeros({static_cast<std::int64_t>(rows)}, at::kByte);
        for (std::size_t r = 0; r < rows; ++r) {
            const bool gone = listed[r] < 0 && was_listed.data_ptr<std::uint8_t>()[r] != 0;
            places.push_back(gone ? -1 : static_cast<std::int32_t>(earlier.size()));
            dropped += gone;
            if (!gone) add(static_cast<std::int32_t>(r), listed[r]);
        }
        for (std::size_t t = 0; t < known_as.size(); ++t)
            if (known_as[t] < 0) add(-1, static_cast<std::int32_t>(t));
        added = static_cast<std::int64_t>(std::ranges::count(earlier, -1));
    }

    std::size_t size() const { return earlier.size(); }

  private:
    void add(std::int32_t row, std::int32_t in_table) {
        earlier.push_back(row);
        table.push_back(in_table);
    }
};

/// Rows of a tensor in another order, zeros for -1.
Tensor arranged(const Tensor& from, const Rows& rows) {
    std::vector<std::int64_t> shape = from.sizes().vec();
    shape[0] = static_cast<std::int64_t>(rows.size());
    Tensor to = at::zeros(shape, from.options());
    const std::size_t bytes = from.size(0) > 0 ? from.nbytes() / static_cast<std::size_t>(from.size(0)) : 0;
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i] >= 0)
            std::memcpy(static_cast<char*>(to.data_ptr()) + i * bytes,
                        static_cast<const char*>(from.data_ptr()) + static_cast<std::size_t>(rows[i]) * bytes,
                        bytes);
    return to;
}

/// The ids of the new version's items, out of both files.
std::vector<NamedTensor> item_ids(const SafetensorsFile& model, const SafetensorsFile& table,
                                  const Catalogue& items) {
    const IdIndex earlier(model, "item");
    const auto ends = table.get<std::int64_t>("item.id.offsets", {-1});
    const auto bytes = table.get<std::uint8_t>("item.id.bytes", {-1});
    std::vector<std::int64_t> offsets{0};
    std::vector<std::uint8_t> all;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (items.earlier[i] >= 0) {
            const std::string_view id = earlier.id(items.earlier[i]);
            all.insert(all.end(), id.begin(), id.end());
        } else {
            const auto t = static_cast<std::size_t>(items.table[i]);
            all.insert(all.end(), bytes.begin() + ends[t], bytes.begin() + ends[t + 1]);
        }
        offsets.push_back(static_cast<std::int64_t>(all.size()));
    }
    return {{"item.id.offsets", tensor_of(offsets, at::kLong)}, {"item.id.bytes", tensor_of(all, at::kByte)}};
}

/// Lists of items by user, what they have seen or said no to, without what is dropped.
std::vector<NamedTensor> items_of_users(const SafetensorsFile& model, const Catalogue& items,
                                        const std::string& name) {
    if (!model.contains(name + ".items") && !model.contains(name + ".offsets")) return {};
    const auto users = model.tensor("user.id.offsets").shape.at(0);
    const auto ends = model.get<std::int64_t>(name + ".offsets", {users});
    const auto seen = model.get<std::int32_t>(name + ".items", {-1});
    const auto is_item = [&](std::int32_t item) { return item >= 0 && item < std::ssize(items.places); };
    if (ends.front() != 0 || ends.back() != std::ssize(seen) || !std::ranges::is_sorted(ends) ||
        !std::ranges::all_of(seen, is_item))
        throw Error(sqlstate::kDataCorrupted, "the model's " + name + " is damaged",
                    "Train the model again.");
    std::vector<std::int64_t> offsets{0};
    Rows kept;
    for (std::size_t u = 0; u + 1 < ends.size(); ++u) {
        for (std::int64_t i = ends[u]; i < ends[u + 1]; ++i) {
            const std::int32_t item =
                items.places.at(static_cast<std::size_t>(seen[static_cast<std::size_t>(i)]));
            if (item >= 0) kept.push_back(item);
        }
        offsets.push_back(static_cast<std::int64_t>(kept.size()));
    }
    return {{name + ".offsets", tensor_of(offsets, at::kLong)}, {name + ".items", tensor_of(kept, at::kInt)}};
}

/// Rows that are no longer what they were, of items that were there.
std::int64_t changed_rows(const Tensor& now, const Tensor& before, const Catalogue& items) {
    const Tensor apart = (now - arranged(before, items.earlier)).norm(2, 1).contiguous();
    const Tensor length = now.norm(2, 1).contiguous();
    std::int64_t changed = 0;
    for (std::size_t i = 0; i < items.size(); ++i)
        changed +=
            items.earlier[i] >= 0 && apart.data_ptr<float>()[i] > kChanged * length.data_ptr<float>()[i];
    return changed;
}

/// The lists stay where they are, and take what is nearest to them now.
void add_index(const SafetensorsFile& model, const Tensor& rows, Workers& workers,
               std::vector<NamedTensor>& tensors) {
    if (!model.contains("list.centroid")) return;
    const Tensor centroids = read_tensor(model, "list.centroid");
    tensors.push_back({"list.centroid", centroids});
    tensors.push_back({"item.list", tensor_of(nearest_lists(rows, centroids, workers), at::kInt)});
}

std::map<std::string, std::string> metadata_of(const SafetensorsFile& model, const SafetensorsFile& table,
                                               const json& config, const json& metrics) {
    std::map<std::string, std::string> metadata = {{"format", "seqrec-model/2"},
                                                   {"kind", model.meta("kind")},
                                                   {"score", model.meta("score")},
                                                   {"config", config.dump()},
                                                   {"metrics", metrics.dump()}};
    if (table.metadata().contains("job")) metadata["job"] = table.meta("job");
    return metadata;
}

/// A table that is being filled anew, say, must not cost a model what it has learned.
void check_dropped(const Catalogue& items, Reporter& reporter) {
    if (items.dropped == 0) return;
    const std::string told = std::to_string(items.dropped) + " of the model's " +
                             std::to_string(items.places.size()) +
                             " items have no row in the table of items any more";
    if (2 * items.dropped > static_cast<std::int64_t>(items.places.size()))
        throw Error(sqlstate::kNotReady, told,
                    "A refresh would forget them and what users had of them. Call seqrec_refresh_items again "
                    "when the table is "
                    "whole, or train the model anew.");
    reporter.warning(told + " and are dropped");
}

/// Nor must a table whose texts are not there yet, which would take what new items stand by.
void check_told(const json& before, const json& now) {
    for (const auto& [what, told] : before.items()) {
        const auto then = told.get<std::int64_t>(), still = now.value(what, std::int64_t{0});
        if (2 * still < then)
            throw Error(
                sqlstate::kNotReady,
                std::to_string(still) + " items of the table have a " + what + ", where " +
                    std::to_string(then) + " had one before",
                "A refresh would forget the others. Call seqrec_refresh_items again when the table is "
                "whole, or train the model anew.");
    }
}

const TrainerKind& refreshable(const Job& job, const EarlierModel& earlier) {
    const TrainerKind& kind = trainer_kind(kind_of(earlier.file).name);
    if (kind.refresh && kind.kind->name == job.kind) return kind;
    throw Error(sqlstate::kFeatureNotSupported, "models of kind \"" + job.kind + "\" can't be refreshed",
                "Train the model again to have new items in it.");
}

}  // namespace

void refresh(const Job& job, Reporter& reporter) {
    const auto start = std::chrono::steady_clock::now();
    const EarlierModel earlier(job.init, job.dataset);
    const TrainerKind& kind = refreshable(job, earlier);
    const SafetensorsFile table = SafetensorsFile::open(job.dataset);
    json config = json::parse(earlier.file.meta("config"));
    if (!config.contains("content"))
        throw Error(sqlstate::kFeatureNotSupported,
                    "the model was trained without text or vectors of its items",
                    "Train it with a table of items and item_text or item_vector.");
    const at::NoGradGuard no_gradients;
    Workers workers(thread_count(job.options));
    const Catalogue items(earlier.file, earlier.items);
    check_dropped(items, reporter);
    const ItemContent content(table, static_cast<std::int64_t>(earlier.items.size()),
                              {job.text_model, kind.kind->needs.items}, &earlier.file, config.at("content"),
                              workers, reporter);
    check_told(config.at("content").value("told", json::object()), content.config().at("told"));
    config["content"]["told"] = content.config().at("told");
    reporter.progress({{"phase", "indexing"}, {"percent", 50}});
    const auto weights = kind.refresh(earlier.file, items.earlier, arranged(content.rows(), items.table));
    const Tensor rows = weights->item_rows();
    std::vector<NamedTensor> tensors = weights->tensors();
    const auto add = [&](std::vector<NamedTensor> more) {
        tensors.insert(tensors.end(), more.begin(), more.end());
    };
    add({{"item.embedding", rows},
         {"user.embedding", weights->user_rows()},
         {"user.seen_until", read_tensor(earlier.file, "user.seen_until")},
         {"item.popularity", arranged(read_tensor(earlier.file, "item.popularity"), items.earlier)},
         {"user.id.offsets", read_tensor(earlier.file, "user.id.offsets")},
         {"user.id.bytes", read_tensor(earlier.file, "user.id.bytes")},
         {"item.listed", tensor_of(std::vector<std::uint8_t>(items.size()), at::kByte)}});
    for (std::size_t i = 0; i < items.size(); ++i)
        tensors.back().tensor.data_ptr<std::uint8_t>()[i] = items.table[i] >= 0;
    add(item_ids(earlier.file, table, items));
    for (const char* name : {"user.seen", "excluded"}) add(items_of_users(earlier.file, items, name));
    for (const NamedTensor& kept : content.kept()) add({{kept.name, arranged(kept.tensor, items.table)}});
    add_index(earlier.file, rows, workers, tensors);
    const double seconds = seconds_since(start);
    const Tensor popularity = arranged(read_tensor(earlier.file, "item.popularity"), items.earlier);
    const json metrics = {
        {"items", items.size()},
        {"items_without_interactions", popularity.eq(0).sum().item<std::int64_t>()},
        {"items_new", items.added},
        {"items_dropped", items.dropped},
        {"items_changed", changed_rows(rows, read_tensor(earlier.file, "item.embedding"), items)},
        {"texts_encoded", content.encoded()},
        {"refresh_seconds", seconds}};
    reporter.progress({{"phase", "writing"}});
    write_tensors(job.model, metadata_of(earlier.file, table, config, metrics), tensors);
    reporter.event("done", {{"metrics", metrics}, {"config", config}});
}

}  // namespace seqrec::trainer
