#include "api/train_request.hpp"

#include "api/fields.hpp"

namespace seqrec::sidecar {
namespace {

constexpr std::size_t kMaxColumnBytes = 63;

/// PostgreSQL would cut a longer name, and might find another column.
std::string column_name(const nlohmann::json& value, const std::string& field) {
    auto name = name_text(value, field);
    if (name.size() > kMaxColumnBytes)
        refuse_field(field, "must have at most " + std::to_string(kMaxColumnBytes) + " bytes");
    return name;
}

std::optional<std::string> table_name(const nlohmann::json& value, const std::string& field) {
    if (value.is_null()) return std::nullopt;
    return name_text(value, field);
}

std::string options_text(const nlohmann::json& value, const std::string& field) {
    if (!value.is_object()) refuse_field(field, "must be a JSON object");
    return value.dump();
}

std::string error_or_skip(const nlohmann::json& value, const std::string& field) {
    auto wish = name_text(value, field);
    if (wish != "error" && wish != "skip") refuse_field(field, "must be \"error\" or \"skip\"");
    return wish;
}

}  // namespace

TrainRequest parse_train_request(std::string_view body, std::string_view default_model) {
    const auto object = parse_object(body);
    TrainRequest request;
    request.model = default_model;
    for (const auto& [name, value] : object.items()) {
        if (name == "ratings")
            request.ratings = name_text(value, name);
        else if (name == "model")
            request.model = name_text(value, name);
        else if (name == "kind")
            request.kind = name_text(value, name);
        else if (name == "user_column")
            request.user_column = column_name(value, name);
        else if (name == "item_column")
            request.item_column = column_name(value, name);
        else if (name == "time_column")
            request.time_column = column_name(value, name);
        else if (name == "items")
            request.items = table_name(value, name);
        else if (name == "users")
            request.users = table_name(value, name);
        else if (name == "options")
            request.options = options_text(value, name);
        else if (name == "if_running")
            request.if_running = error_or_skip(value, name);
        else
            refuse_unknown_field(name);
    }
    if (request.ratings.empty()) refuse_field("ratings", "is missing");
    return request;
}

}  // namespace seqrec::sidecar
