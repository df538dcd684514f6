// The body of POST /recommend: from bytes to a checked value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seqrec::sidecar {

/// What a client asks for. No `recent_clicks` means the user's own history, as the database knows it; an
/// empty list means no clicks. 客户端的请求。无 recent_clicks
/// 表示使用数据库中该用户的历史；空列表表示没有点击。
struct RecommendRequest {
    std::string user_id;
    std::optional<std::vector<std::string>> recent_clicks;
    int top_k = 10;
    std::string model;
};

inline constexpr std::size_t kMaxClicks = 1000;
inline constexpr int kMaxTopK = 1000;

/// Reads the body. Throws Problem 400: not JSON, nested too deep, a field that is missing, unknown, given
/// twice, of the wrong type or out of range, each named. 解析请求体。出错时抛出 Problem 400：非
/// JSON、嵌套过深、字段缺失、未知、重复、类型错误或超出范围，并指明字段名。
RecommendRequest parse_recommend_request(std::string_view body, std::string_view default_model);

}  // namespace seqrec::sidecar
