#include "api/fields.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "http/problem.hpp"

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 8;  // no form has more than four

[[noreturn]] void refuse_number(const std::string& field, std::int64_t low, std::int64_t high) {
    refuse_field(field, "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}

/// Watches a parser: how deep it is, and the names of every object that is open.
class Watch {
  public:
    bool operator()(int depth, json::parse_event_t event, json& value) {
        using Event = json::parse_event_t;
        if ((event == Event::object_start || event == Event::array_start) && depth >= kMaxDepth)
            throw Problem(400, "invalid-json",
                          "the body is nested deeper than " + std::to_string(kMaxDepth) + " levels");
        if (event == Event::object_start) names_.emplace_back();
        if (event == Event::object_end) names_.pop_back();
        if (event == Event::key && !names_.back().insert(value.get<std::string>()).second)
            refuse_field(value.get<std::string>().substr(0, kMaxIdBytes), "is given twice");
        return true;
    }

  private:
    std::vector<std::set<std::string>> names_;
};

}  // namespace

void refuse_field(const std::string& field, const std::string& why) {
    Problem problem(400, "invalid-field", field + " " + why);
    problem.field = field;
    throw problem;
}

void refuse_unknown_field(const std::string& field) {
    refuse_field(field.substr(0, kMaxIdBytes), "is not a field of this request");
}

json parse_object(std::string_view body) try {
    Watch watch;
    auto parsed = json::parse(body, std::ref(watch));
    if (!parsed.is_object()) throw Problem(400, "invalid-json", "the body must be a JSON object");
    return parsed;
} catch (const json::parse_error& error) {
    // The parser's own text would repeat parts of the body.
    throw Problem(400, "invalid-json", "the body is not JSON: error at byte " + std::to_string(error.byte));
} catch (const json::out_of_range&) {
    throw Problem(400, "invalid-json", "the body holds a number that is out of range");
}

std::string id_text(std::string text, const std::string& field) {
    if (text.empty() || text.size() > kMaxIdBytes)
        refuse_field(field, "must have 1 to " + std::to_string(kMaxIdBytes) + " bytes");
    if (text.find('\0') != std::string::npos) refuse_field(field, "must not contain the character U+0000");
    return text;
}

std::string id_text(const json& value, const std::string& field) {
    if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    if (!value.is_string()) refuse_field(field, "must be a string or a whole number of 64 bits");
    return id_text(value.get<std::string>(), field);
}

std::vector<std::string> id_list(const json& value, const std::string& field, std::size_t limit) {
    if (!value.is_array()) refuse_field(field, "must be an array of strings or whole numbers, or null");
    if (value.size() > limit) refuse_field(field, "must have at most " + std::to_string(limit) + " entries");
    std::vector<std::string> ids;
    ids.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i)
        ids.push_back(id_text(value[i], field + "[" + std::to_string(i) + "]"));
    return ids;
}

std::string name_text(const json& value, const std::string& field) {
    if (!value.is_string()) refuse_field(field, "must be a string");
    return id_text(value, field);
}

bool boolean(const json& value, const std::string& field) {
    if (!value.is_boolean()) refuse_field(field, "must be true or false");
    return value.get<bool>();
}

double number(const json& value, const std::string& field) {
    if (!value.is_number() || !std::isfinite(value.get<double>())) refuse_field(field, "must be a number");
    return value.get<double>();
}

std::int64_t whole_number(const json& value, const std::string& field, std::int64_t low, std::int64_t high) {
    if (!value.is_number_integer() || value < low || value > high) refuse_number(field, low, high);
    return value.get<std::int64_t>();
}

std::int64_t number_in_path(const Request& request, const std::string& name, const char* kind,
                            const char* detail) {
    const std::string& text = *request.in_path.find(name);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1)
        throw Problem(404, kind, detail);
    return value;
}

void expect_parameters(const Parameters& parameters, std::initializer_list<std::string_view> names,
                       std::initializer_list<std::string_view> repeatable) {
    std::set<std::string_view> met;
    for (const auto& [name, value] : parameters) {
        if (std::ranges::find(repeatable, name) != repeatable.end()) continue;
        if (std::ranges::find(names, name) == names.end()) refuse_unknown_field(name);
        if (!met.insert(name).second) refuse_field(name, "is given twice");
    }
}

std::optional<double> number(const Parameters& parameters, const std::string& name) {
    const std::string* text = parameters.find(name);
    if (!text) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error == std::errc::result_out_of_range && end == text->data() + text->size())
        refuse_field(name, "must be a number of double precision");
    if (error != std::errc() || end != text->data() + text->size() || !std::isfinite(value))
        refuse_field(name, "must be a number");
    return value;
}

std::optional<std::vector<std::string>> id_list(const Parameters& parameters, const std::string& name) {
    if (!parameters.find(name)) return std::nullopt;
    std::vector<std::string> ids = parameters.all(name);
    for (const std::string& id : ids) (void)id_text(id, name);
    return ids;
}

std::int64_t whole_number(const Parameters& parameters, const std::string& name, std::int64_t low,
                          std::int64_t high, std::int64_t fallback) {
    const std::string* text = parameters.find(name);
    if (!text) return fallback;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value < low || value > high)
        refuse_number(name, low, high);
    return value;
}

std::optional<std::string> id_text(const Parameters& parameters, const std::string& name) {
    const std::string* text = parameters.find(name);
    if (!text) return std::nullopt;
    return id_text(*text, name);
}

}  // namespace seqrec::sidecar
