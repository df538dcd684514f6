// The bodies of POST /recommend and POST /recommend/batch: from bytes to checked values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seqrec::sidecar {

/// Who asks. No `recent_clicks` means the user's own history, as the database knows it; an empty list means
/// no clicks.
/// 请求者。无 recent_clicks 表示使用数据库中该用户的历史；空列表表示没有点击。
struct Asker {
    std::string user_id;
    std::optional<std::vector<std::string>> recent_clicks{};
    std::optional<std::string> context{};  // a JSON object as text
};

/// What is wanted, and how much is told about it.
/// 想要什么，以及应答说明多少。
struct Wish {
    int top_k = 10;
    std::string model;
    std::vector<std::string> exclude;
    std::optional<bool> exclude_seen;  // absent: as the model was trained
    std::optional<std::vector<std::string>> candidates;
    std::optional<double> min_score, min_probability;
    double diversity = 0;
    bool with_scores = false;
    bool explain = false;
};

struct RecommendRequest {
    Asker asker;
    Wish wish;
    std::optional<std::string> language{};  // of the reasons; absent: the request's header, or the database's
};

struct BatchRequest {
    std::vector<Asker> askers;
    Wish wish;
};

inline constexpr std::size_t kMaxClicks = 1000;
inline constexpr std::size_t kMaxItems = 10000;  // of exclude_item_ids and candidate_item_ids
inline constexpr std::size_t kMaxAskers = 1000;
inline constexpr int kMaxTopK = 1000;
inline constexpr std::size_t kMaxContextKeys = 64, kMaxContextBytes = 65536;

/// min_score, from wherever it came.
/// 检查 min_score 的范围。
double checked_min_score(double wanted, const std::string& field);

/// Read a body. Throw Problem 400: not JSON, nested too deep, a field that is missing, unknown, given twice,
/// of the wrong type or out of range, each named.
/// 解析请求体。出错时抛出 Problem 400：非 JSON、嵌套过深、字段缺失、未知、重复、类型错误或超出范围，
/// 并指明字段名。
RecommendRequest parse_recommend_request(std::string_view body, std::string_view default_model);
BatchRequest parse_batch_request(std::string_view body, std::string_view default_model);

}  // namespace seqrec::sidecar
