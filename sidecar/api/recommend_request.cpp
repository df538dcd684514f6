#include "api/recommend_request.hpp"

#include "api/fields.hpp"

namespace seqrec::sidecar {
RecommendRequest parse_recommend_request(std::string_view body, std::string_view default_model) {
    const nlohmann::json object = parse_object(body);
    RecommendRequest request;
    request.model = default_model;
    for (const auto& [name, value] : object.items()) {
        if (name == "user_id")
            request.user_id = id_text(value, name);
        else if (name == "recent_clicks") {
            if (!value.is_null()) request.recent_clicks = id_list(value, name, kMaxClicks);
        } else if (name == "top_k")
            request.top_k = static_cast<int>(whole_number(value, name, 1, kMaxTopK));
        else if (name == "model")
            request.model = name_text(value, name);
        else
            refuse_unknown_field(name);
    }
    if (!object.contains("user_id")) refuse_field("user_id", "is missing");
    return request;
}

}  // namespace seqrec::sidecar
