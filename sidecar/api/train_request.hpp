// The body of POST /train: from bytes to a checked value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace seqrec::sidecar {

/// The arguments of seqrec_train; `options` is JSON text.
/// seqrec_train 的参数，options 为 JSON 文本。
struct TrainRequest {
    std::string ratings;
    std::string model;
    std::optional<std::string> kind;          // none: the default of the database
    std::optional<std::string> items, users;  // tables of what is known of them
    std::string user_column = "user_id", item_column = "item_id", time_column = "timestamp";
    std::string options = "{}";
    std::string if_running = "error";
};

/// Reads the body. Throws Problem 400 naming the field that is wrong; what tables, columns and options there
/// are is for the database to say.
/// 解析正文；字段有误时抛出指明该字段的 Problem 400。表、列与选项是否存在由数据库判断。
TrainRequest parse_train_request(std::string_view body, std::string_view default_model);

}  // namespace seqrec::sidecar
