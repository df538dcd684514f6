#include "tables/training_options.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace seqrec {
namespace {

bool is_given(const nlohmann::json& options, const char* name) {
    return options.contains(name) && !options.at(name).is_null();
}

const char* text_of(const nlohmann::json& options, const char* name) {
    return is_given(options, name) ? from_utf8(options.at(name).get_ref<const std::string&>()) : nullptr;
}

SideOptions side_of(const nlohmann::json& options, const char* id_column, const char* list) {
    SideOptions side{id_column ? text_of(options, id_column) : nullptr, is_given(options, list), NIL};
    if (!side.lists) return side;
    for (const nlohmann::json& name : options.at(list)) {
        char* column = from_utf8(name.get_ref<const std::string&>());
        side.names = postgres([&] { return lappend(side.names, column); });
    }
    return side;
}

KeepItems keep_items_of(const nlohmann::json& options) {
    if (!options.contains("keep_items")) return KeepItems::No;
    if (is_given(options, "keep_items"))
        return options.at("keep_items").get<bool>() ? KeepItems::Yes : KeepItems::No;
    return options.value("distill", nlohmann::json()) == 0 ? KeepItems::No : KeepItems::Undecided;
}

template <typename T>
T* room_for(std::size_t count) {
    return postgres([&] { return static_cast<T*>(palloc0(sizeof(T) * (count + 1))); });
}

void read_weights(const nlohmann::json& options, TrainingOptions& read) {
    if (!is_given(options, "event_weights")) return;
    const nlohmann::json& given = options.at("event_weights");
    auto* weights = room_for<EventWeight>(given.size());
    for (const auto& [event, weight] : given.items())
        weights[read.weight_count++] = {palloc_copy(event), weight.get<float>()};
    read.weights = weights;
}

void read_excluded(const nlohmann::json& options, TrainingOptions& read) {
    if (!is_given(options, "exclude_events")) return;
    const nlohmann::json& given = options.at("exclude_events");
    auto* events = room_for<const char*>(given.size());
    for (const nlohmann::json& event : given)
        events[read.excluded_count++] = palloc_copy(event.get_ref<const std::string&>());
    read.excluded = events;
}

TrainingOptions read_all(const nlohmann::json& options, const char* text) {
    TrainingOptions read{};
    read.json = text;
    read.init_from = text_of(options, "init_from");
    read.activate = is_given(options, "activate") ? text_of(options, "activate") : "always";
    read.threads = is_given(options, "threads") ? options.at("threads").get<int>() : 0;
    read.keep_items = keep_items_of(options);
    read.items = side_of(options, "item_id_column", "item_features");
    read.users = side_of(options, "user_id_column", "user_features");
    read.context = side_of(options, nullptr, "context");
    read.content = {options.contains("item_text"), options.contains("item_features"),
                    side_of(options, nullptr, "item_text"), text_of(options, "item_vector")};
    read.label = text_of(options, "label");
    read.event_column = text_of(options, "event_column");
    read_weights(options, read);
    read_excluded(options, read);
    return read;
}

}  // namespace

TrainingOptions options_of(const nlohmann::json& resolved) {
    return read_all(resolved, from_utf8(json_text(resolved)));
}

TrainingOptions parse_options(const char* json) {
    return guarded([&] {
        try {
            return read_all(nlohmann::json::parse(to_utf8(json)), json);
        } catch (const nlohmann::json::exception&) {
            throw Error(sqlstate::kDataCorrupted,
                        "the options in the job's row are not what seqrec_train writes",
                        "Start again with seqrec_train.");
        }
    });
}

}  // namespace seqrec
