// The options that say which columns of the tables beside the ratings are learnt from. A kind has them by what
// it needs, not by its name.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "core/options.hpp"

namespace seqrec {

struct Needs;

/// The most columns that `context` and `item_text` may list.
/// context 与 item_text 至多可列出的列数。
inline constexpr std::size_t kMostColumns = 100;

/// The options of a kind with these needs.
/// 具有这些需求的类型的选项。
std::vector<OptionSpec> side_options(const Needs& needs);

/// Checks the form of those that are there in `resolved`; Error 22023 with a hint.
/// 检查 resolved 中这些选项的形式；不符则抛出带提示的 Error 22023。
void check_side_options(const nlohmann::json& resolved);

}  // namespace seqrec
