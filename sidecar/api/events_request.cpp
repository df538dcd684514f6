#include "api/events_request.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>

#include "api/fields.hpp"

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTimeBytes = 64;
constexpr std::size_t kMaxKeyBytes = 255;
constexpr std::string_view kKeyHeader = "Idempotency-Key";

bool is_key(std::string_view text) {
    return !text.empty() && text.size() <= kMaxKeyBytes &&
           std::ranges::all_of(text, [](char c) { return c >= ' ' && c < '\x7f'; });
}

json time_of(const json& value, const std::string& field) {
    const bool is_text = value.is_string() && value.get_ref<const std::string&>().size() <= kMaxTimeBytes;
    if (!is_text && !value.is_number()) refuse_field(field, "must be a time as text, or a number");
    return value;
}

/// `place` is empty, or where the event stands in the list: "events[3].".
json event_of(const json& object, const std::string& place) {
    if (!object.is_object()) refuse_field(place.substr(0, place.size() - 1), "must be an object");
    json event;
    for (const auto& [name, value] : object.items()) {
        if (name == "user_id" || name == "item_id")
            event[name] = id_text(value, place + name);
        else if (name != "timestamp")
            refuse_unknown_field(place + name);
        else if (!value.is_null())
            event[name] = time_of(value, place + name);
    }
    for (const char* name : {"user_id", "item_id"})
        if (!event.contains(name)) refuse_field(place + name, "is missing");
    return event;
}

}  // namespace

json parse_events_request(std::string_view body) {
    const json object = parse_object(body);
    const auto list = object.find("events");
    if (list == object.end()) return json::array({event_of(object, "")});
    for (const auto& [name, value] : object.items())
        if (name != "events") refuse_unknown_field(name);
    if (!list->is_array() || list->empty() || list->size() > kMaxEvents)
        refuse_field("events", "must be an array of 1 to " + std::to_string(kMaxEvents) + " events");
    json events = json::array();
    for (std::size_t i = 0; i < list->size(); ++i)
        events.push_back(event_of((*list)[i], "events[" + std::to_string(i) + "]."));
    return events;
}

std::optional<std::string> idempotency_key(const Request& request) {
    const auto is_it = [](const auto& header) { return boost::beast::iequals(header.first, kKeyHeader); };
    const auto found = std::ranges::find_if(request.headers, is_it);
    if (found == request.headers.end()) return std::nullopt;
    if (!is_key(found->second))
        refuse_field(std::string(kKeyHeader),
                     "must be 1 to " + std::to_string(kMaxKeyBytes) + " ASCII characters");
    return found->second;
}

}  // namespace seqrec::sidecar
