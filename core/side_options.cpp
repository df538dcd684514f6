#include "core/side_options.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/error.hpp"
#include "core/kinds/kind.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using enum OptionType;

constexpr OptionSpec kOfItemIds[] = {
    {"item_id_column", Text, 0, 0, "null", "",
     "column of the table of items that has their ids; null = named as in the ratings"},
};
constexpr OptionSpec kOfItems[] = {
    {"item_features", Json, 0, 0, "null", "",
     "list of columns of the table of items to learn from; null = every one of a usable type but the id"},
};
constexpr OptionSpec kOfText[] = {
    {"item_text", Json, 0, 0, "null", "",
     "list of columns of the table of items whose words are learnt from; null = every one of text but the "
     "id, [] = none"},
    {"item_vector", Text, 0, 0, "null", "",
     "column of the table of items with a vector of each, an array of real or double precision or "
     "pgvector's vector; null = none"},
    {"cold_share", Real, 0, 0.5, "0.05", "",
     "share of the items that is held out whole, to measure how items without interactions are "
     "recommended; only with text or vectors"},
};
constexpr OptionSpec kOfUsers[] = {
    {"user_id_column", Text, 0, 0, "null", "",
     "column of the table of users that has their ids; null = named as in the ratings"},
    {"user_features", Json, 0, 0, "null", "",
     "list of columns of the table of users to learn from; null = every one of a usable type but the id"},
};
constexpr OptionSpec kOfContext[] = {
    {"context", Json, 0, 0, "null", "",
     "list of further columns of the ratings to learn from, such as the channel or the device; null = none"},
    {"event_weights", Json, 0, 0, "null", "",
     "what interactions count by their event, as in {\"view\": 1, \"cart\": 3, \"buy\": 5}, 0 or less: not "
     "at all "
     "(transformer: as context alone); null = all alike"},
    {"event_column", Text, 0, 0, "null", "",
     "column of the ratings that says what an interaction was, which event_weights and exclude_events speak "
     "of; "
     "null = the only one of context that is text"},
};

constexpr OptionSpec kOfLabel[] = {
    {"label", Text, 0, 0, "null", "",
     "column of the ratings, a number or a boolean, that says how it went; null = none"},
};

constexpr const char* kLists[] = {"item_features", "item_text", "user_features", "context"};

[[noreturn]] void refuse(const std::string& option, const std::string& what, const std::string& hint) {
    throw Error(sqlstate::kInvalidParameter, "option \"" + option + "\" " + what, hint);
}

void check_list(const std::string& name, const json& list) {
    const char* example = name == "item_text" ? R"(["title", "description"])" : R"(["price", "genres"])";
    const std::string hint = "Write it as in {\"" + name + "\": " + example + "}.";
    if (!list.is_array()) refuse(name, "is not a list of columns", hint);
    std::set<std::string> seen;
    for (const json& column : list) {
        if (!column.is_string() || column.get_ref<const std::string&>().empty())
            refuse(name, "lists something that is no column's name: " + column.dump(), hint);
        if (!seen.insert(column).second)
            refuse(name, "lists a column twice: " + column.dump(), "Name each column once.");
    }
    if ((name == "context" || name == "item_text") && list.size() > kMostColumns)
        refuse(name, "lists " + std::to_string(list.size()) + " columns",
               "It takes at most " + std::to_string(kMostColumns) + ".");
}

void check_weights(const json& weights) {
    const std::string name = "event_weights", hint = R"(Write it as in {"view": 1, "cart": 3, "buy": 5}.)";
    if (!weights.is_object() || weights.empty()) refuse(name, "is not an object of weights", hint);
    for (const auto& [event, weight] : weights.items())
        if (!weight.is_number() || !(std::abs(weight.get<double>()) <= 1e6))
            refuse(name, "gives \"" + event + "\" a weight that is none: " + weight.dump(),
                   "A weight is a number from -1000000 to 1000000; what weighs 0 or less does not count.");
}

void check_events(const json& events) {
    const std::string name = "exclude_events", hint = R"(Write it as in ["dislike"].)";
    if (!events.is_array()) refuse(name, "is not a list of events", hint);
    std::set<std::string> seen;
    for (const json& event : events) {
        if (!event.is_string()) refuse(name, "lists something that is no event: " + event.dump(), hint);
        if (!seen.insert(event).second)
            refuse(name, "lists an event twice: " + event.dump(), "Name each event once.");
    }
}

bool is_given(const json& options, const char* name) {
    return options.contains(name) && !options.at(name).is_null();
}

bool excludes_events(const json& options) {
    return is_given(options, "exclude_events") && !options.at("exclude_events").empty();
}

}  // namespace

std::vector<OptionSpec> side_options(const Needs& needs) {
    std::vector<OptionSpec> specs;
    const auto add = [&](const auto& more) { specs.insert(specs.end(), std::begin(more), std::end(more)); };
    if (needs.items || needs.text) add(kOfItemIds);
    if (needs.items) add(kOfItems);
    if (needs.text) add(kOfText);
    if (needs.users) add(kOfUsers);
    if (needs.label) add(kOfLabel);
    if (needs.context) add(kOfContext);
    return specs;
}

void check_side_options(const json& resolved) {
    for (const char* name : kLists)
        if (is_given(resolved, name)) check_list(name, resolved.at(name));
    if (is_given(resolved, "event_weights")) check_weights(resolved.at("event_weights"));
    if (is_given(resolved, "exclude_events")) check_events(resolved.at("exclude_events"));
    if (is_given(resolved, "event_column") && !is_given(resolved, "event_weights") &&
        !excludes_events(resolved))
        refuse("event_column", "is given without event_weights or exclude_events",
               R"(Say what events count, as in {"event_weights": {"view": 1, "buy": 5}}.)");
    if (!is_given(resolved, "label") || !is_given(resolved, "context")) return;
    for (const json& column : resolved.at("context"))
        if (column == resolved.at("label"))
            refuse("context", "lists the label: " + column.dump(),
                   "The label is what is learnt, and not known when a question is asked. Leave it out.");
}

}  // namespace seqrec
