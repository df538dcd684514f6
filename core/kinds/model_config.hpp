// Reading what a model's file says of itself, which may be damaged.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace seqrec {

/// Error XX001 "model is not valid: what", with a hint.
/// 抛出 Error XX001“模型无效：what”，并附提示。
[[noreturn]] void corrupted_model(const std::string& what);
/// A number of a config that must be whole and from 1 to `most`; Error XX001 otherwise.
/// config 中须为 1 至 most 的整数；否则抛出 Error XX001。
std::int64_t whole_number(const nlohmann::json& config, const char* name, std::int64_t most);
/// Error 22023 unless option `dim` is a multiple of 8 and of `heads`.
/// 选项 dim 不是 8 与 heads 的倍数时抛出 Error 22023。
void check_width(const nlohmann::json& options);

}  // namespace seqrec
