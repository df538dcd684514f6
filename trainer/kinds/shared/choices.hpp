// What the data decide of a training whose options leave it open, the same for every kind that learns sequences in epochs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "data/dataset.hpp"

namespace seqrec::trainer {

/// Long enough for the whole history of 98 users in 100, from 10 to `most`.
/// 足以容纳百分之九十八用户的全部历史，介于 10 与 most 之间。
std::int64_t choose_max_len(const Dataset& data, std::int64_t most);
/// 0 for users with short histories (mean 10 or less), 1 for long ones (mean 60 or more), by the logarithm
/// between. Long histories have more to learn from and more to learn.
/// 历史短（平均不超过 10）为 0，长（平均不少于 60）为 1，其间按对数。
double length_share(const Dataset& data);
/// To so many parts of one.
/// 按 1/digits 取整。
double rounded(double value, double digits);
/// .4 for short histories, .2 for long ones.
/// 历史短取 .4，长取 .2。
double choose_dropout(const Dataset& data);
/// Nine and a half minutes up to half a million interactions, nineteen at one million, then in proportion.
/// 五十万次交互以内九分半钟，一百万次十九分钟，再多则按比例。
double choose_seconds(const Dataset& data);
/// Sixty steps an epoch, each of 512 to 6,400 clicks: small data need many steps more than smooth ones.
/// 每轮六十步，每步 512 至 6,400 次点击：小数据更需要步数而非平滑。
std::int64_t choose_batch(const Dataset& data);
/// Validation ends a fresh training; one that starts from a trained model gets about a fifth of the arithmetic that took: in so
/// many passes more, up to ten, as they are shorter where little is new (cut_windows).
/// 全新训练由验证结束；从已训练模型开始的约用其五分之一的运算：新内容少则每轮更短（cut_windows），轮数相应增加，至多十轮。
std::int64_t choose_epochs(const Dataset& data, const nlohmann::json& earlier);
/// bfloat16 where the CPU multiplies it faster, unless told otherwise. Error 0A000 where it is asked for and not there.
/// CPU 支持时使用 bfloat16，除非另有指定；要求而不可用时抛出 Error 0A000。
bool choose_bfloat16(const std::string& precision);

/// Stands for a `cold_shift` that the data are to say; no option is so low.
/// 代表由数据决定的 cold_shift；选项不会这样小。
inline constexpr double kOpenShift = -2;

/// A whole number of an earlier model's config, which may have been edited: `otherwise` where there is none from 0 to 2^31.
/// 早先模型 config 中的整数（可能被手工改过）；没有 0 至 2^31 之间的整数时取 otherwise。
std::int64_t number_of(const nlohmann::json& earlier, const char* name, std::int64_t otherwise);

/// An option, or what stands for null.
/// 选项的值；为 null 时取替代值。
template <typename T>
T value_or(const nlohmann::json& options, const char* name, T otherwise) {
    const auto found = options.find(name);
    return found == options.end() || found->is_null() ? otherwise : found->get<T>();
}

}  // namespace seqrec::trainer
