// The options of seqrec_train: one table of names, ranges and defaults, read by the extension (which refuses
// bad ones when it is called) and by the trainer (which uses them).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace seqrec {

/// Json: a list or an object whose form the kind checks itself.
/// Json：列表或对象，其形式由类型自行检查。
enum class OptionType : std::uint8_t { Integer, Real, Boolean, Text, Json };

/// One option: its name, type, closed range (numbers), default as JSON text ("null" = chosen from the data)
/// and meaning.
/// 一个选项：名称、类型、闭区间范围（数值）、JSON 文本形式的默认值（"null" 表示由数据决定）及含义。
struct OptionSpec {
    std::string_view name;
    OptionType type;
    double minimum, maximum;
    std::string_view default_json;
    std::string_view choices;  // Text only: allowed words, separated by '|'; empty: any text
    std::string_view meaning;
};

/// Every option of a model kind, its own first, then those that come with its needs (core/side_options.hpp),
/// then those of all kinds; an own one replaces a common one of its name. Error 22023 with a hint for an unknown kind.
/// 某模型类型的全部选项，先是自有的，再是随其需求而来的，最后是所有类型共有的（同名时以自有的为准）；
/// 未知类型抛出带提示的 Error 22023。
std::vector<OptionSpec> option_specs(std::string_view kind);

/// Checks `given` (a JSON object) against the options of `kind`, each by itself, and returns a full object, defaults filled in: for
/// what a training has decided, which says of several options what nobody may ask for together. Errors as below.
/// 逐项检查 given（JSON 对象）并返回填好默认值的完整对象：用于训练已决定的选项，其组合未必可由调用者给出。错误同下。
nlohmann::json complete_options(std::string_view kind, const nlohmann::json& given);

/// The same, and whether they go together. Errors: 22023 for an unknown key, a wrong type or a value out of range, each naming the
/// key, with a hint.
/// 同上，并检查各选项能否同用。未知键、类型错误、超出范围均抛出带提示的 Error 22023。
nlohmann::json resolve_options(std::string_view kind, const nlohmann::json& given);

/// `given` with the options that decide the shape of the weights as `config`, the configuration of the model
/// to start from, has them. Error 22023 when `given` asks for another shape.
/// 以 config（起始模型的配置）补全 given 中决定权重形状的选项；given 要求其他形状则抛出 Error 22023。
nlohmann::json adopt_shape(std::string_view kind, nlohmann::json given, const nlohmann::json& config);

}  // namespace seqrec
