#include "api/recommend_request.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "http/problem.hpp"

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 8;  // the form itself has two levels

[[noreturn]] void refuse_field(const std::string& field, const std::string& why) {
    Problem problem(400, "invalid-field", field + " " + why);
    problem.field = field;
    throw problem;
}

/// Parses while watching depth and repeated names: of two equal names other readers may take the other one.
json parse_object(std::string_view body) {
    std::set<std::string> names;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
        const bool opens =
            event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
        if (opens && depth >= kMaxDepth)
            throw Problem(400, "invalid-json",
                          "the body is nested deeper than " + std::to_string(kMaxDepth) + " levels");
        if (event == json::parse_event_t::key && depth == 1 && !names.insert(value.get<std::string>()).second)
            refuse_field(value.get<std::string>(), "is given twice");
        return true;
    };
    try {
        auto parsed = json::parse(body, watch);
        if (!parsed.is_object()) throw Problem(400, "invalid-json", "the body must be a JSON object");
        return parsed;
    } catch (const json::parse_error& error) {
        // The parser's own text would repeat parts of the body.
        throw Problem(400, "invalid-json",
                      "the body is not JSON: error at byte " + std::to_string(error.byte));
    } catch (const json::out_of_range&) {
        throw Problem(400, "invalid-json", "the body holds a number that is out of range");
    }
}

/// An id given as a string or as a whole number, as text.
std::string id_text(const json& value, const std::string& field) {
    if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    if (!value.is_string()) refuse_field(field, "must be a string or a whole number");
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty() || text.size() > kMaxIdBytes)
        refuse_field(field, "must have 1 to " + std::to_string(kMaxIdBytes) + " bytes");
    if (text.find('\0') != std::string::npos) refuse_field(field, "must not contain the character U+0000");
    return text;
}

std::optional<std::vector<std::string>> clicks(const json& value) {
    if (value.is_null()) return std::nullopt;
    if (!value.is_array())
        refuse_field("recent_clicks", "must be an array of strings or whole numbers, or null");
    if (value.size() > kMaxClicks)
        refuse_field("recent_clicks", "must have at most " + std::to_string(kMaxClicks) + " entries");
    std::vector<std::string> ids;
    ids.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i)
        ids.push_back(id_text(value[i], "recent_clicks[" + std::to_string(i) + "]"));
    return ids;
}

int top_k(const json& value) {
    const bool fits = value.is_number_integer() && value >= 1 && value <= kMaxTopK;
    if (!fits) refuse_field("top_k", "must be a whole number from 1 to " + std::to_string(kMaxTopK));
    return value.get<int>();
}

std::string model_name(const json& value) {
    if (!value.is_string()) refuse_field("model", "must be a string");
    return id_text(value, "model");
}

}  // namespace

RecommendRequest parse_recommend_request(std::string_view body, std::string_view default_model) {
    const json object = parse_object(body);
    RecommendRequest request;
    request.model = default_model;
    for (const auto& [name, value] : object.items()) {
        if (name == "user_id")
            request.user_id = id_text(value, name);
        else if (name == "recent_clicks")
            request.recent_clicks = clicks(value);
        else if (name == "top_k")
            request.top_k = top_k(value);
        else if (name == "model")
            request.model = model_name(value);
        else
            refuse_field(name.substr(0, kMaxIdBytes), "is not a field of this request");
    }
    if (!object.contains("user_id")) refuse_field("user_id", "is missing");
    return request;
}

}  // namespace seqrec::sidecar
