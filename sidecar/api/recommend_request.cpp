#include "api/recommend_request.hpp"

#include <cmath>
#include <limits>

#include "api/fields.hpp"
#include "api/language.hpp"

namespace seqrec::sidecar {
namespace {

using nlohmann::json;

std::optional<std::vector<std::string>> optional_ids(const json& value, const std::string& field,
                                                     std::size_t limit) {
    if (value.is_null()) return std::nullopt;
    return id_list(value, field, limit);
}

/// The text of an object; what its keys mean is for the model to say.
std::optional<std::string> context_text(const json& value, const std::string& field) {
    if (value.is_null()) return std::nullopt;
    if (!value.is_object()) refuse_field(field, "must be an object, or null");
    if (value.size() > kMaxContextKeys)
        refuse_field(field, "must have at most " + std::to_string(kMaxContextKeys) + " keys");
    std::string text = value.dump();
    if (text.size() > kMaxContextBytes)
        refuse_field(field, "must have at most " + std::to_string(kMaxContextBytes) + " bytes");
    return text;
}

/// A probability, or a share.
double part(const json& value, const std::string& field) {
    const double wanted = number(value, field);
    if (wanted < 0 || wanted > 1) refuse_field(field, "must be a number from 0 to 1");
    return wanted;
}

/// Reads a field of an asker, which messages call `field`; false when `name` is none.
bool read_asker_field(Asker& asker, const std::string& name, const std::string& field, const json& value) {
    if (name == "user_id")
        asker.user_id = id_text(value, field);
    else if (name == "recent_clicks")
        asker.recent_clicks = optional_ids(value, field, kMaxClicks);
    else if (name == "context")
        asker.context = context_text(value, field);
    else
        return false;
    return true;
}

bool read_wish_field(Wish& wish, const std::string& name, const json& value) {
    if (name == "top_k")
        wish.top_k = static_cast<int>(whole_number(value, name, 1, kMaxTopK));
    else if (name == "model")
        wish.model = name_text(value, name);
    else if (name == "exclude_item_ids")
        wish.exclude = optional_ids(value, name, kMaxItems).value_or(std::vector<std::string>());
    else if (name == "exclude_seen")
        wish.exclude_seen = value.is_null() ? std::nullopt : std::optional(boolean(value, name));
    else if (name == "candidate_item_ids")
        wish.candidates = optional_ids(value, name, kMaxItems);
    else if (name == "min_score")
        wish.min_score = checked_min_score(number(value, name), name);
    else if (name == "min_probability")
        wish.min_probability = part(value, name);
    else if (name == "diversity")
        wish.diversity = part(value, name);
    else if (name == "with_scores")
        wish.with_scores = boolean(value, name);
    else
        return false;
    return true;
}

std::optional<std::string> language(const json& value, const std::string& field) {
    if (value.is_null()) return std::nullopt;
    if (!value.is_string() || !is_language_tag(value.get_ref<const std::string&>()))
        refuse_field(field, "must be a language's tag, such as en or zh");
    return value.get<std::string>();
}

Asker read_asker(const json& value, const std::string& field) {
    if (!value.is_object()) refuse_field(field, "must be an object");
    Asker asker;
    for (const auto& [name, part] : value.items()) {
        const auto full_name = field + "." + name;
        if (!read_asker_field(asker, name, full_name, part)) refuse_unknown_field(full_name);
    }
    if (asker.user_id.empty()) refuse_field(field + ".user_id", "is missing");
    return asker;
}

std::vector<Asker> read_askers(const json& value, const std::string& field) {
    if (!value.is_array() || value.size() > kMaxAskers)
        refuse_field(field, "must be an array of at most " + std::to_string(kMaxAskers) + " objects");
    std::vector<Asker> askers;
    for (std::size_t i = 0; i < value.size(); ++i)
        askers.push_back(read_asker(value[i], field + "[" + std::to_string(i) + "]"));
    return askers;
}

}  // namespace

double checked_min_score(double wanted, const std::string& field) {
    if (std::abs(wanted) > std::numeric_limits<float>::max())
        refuse_field(field, "must be a number of single precision");
    return wanted;
}

RecommendRequest parse_recommend_request(std::string_view body, std::string_view default_model) {
    const json object = parse_object(body);
    RecommendRequest request;
    request.wish.model = default_model;
    for (const auto& [name, value] : object.items()) {
        if (name == "explain")
            request.wish.explain = boolean(value, name);
        else if (name == "language")
            request.language = language(value, name);
        else if (!read_asker_field(request.asker, name, name, value) &&
                 !read_wish_field(request.wish, name, value))
            refuse_unknown_field(name);
    }
    if (request.asker.user_id.empty()) refuse_field("user_id", "is missing");
    return request;
}

BatchRequest parse_batch_request(std::string_view body, std::string_view default_model) {
    const json object = parse_object(body);
    BatchRequest request;
    request.wish.model = default_model;
    for (const auto& [name, value] : object.items()) {
        if (name == "requests")
            request.askers = read_askers(value, name);
        else if (!read_wish_field(request.wish, name, value))
            refuse_unknown_field(name);
    }
    if (!object.contains("requests")) refuse_field("requests", "is missing");
    return request;
}

}  // namespace seqrec::sidecar
