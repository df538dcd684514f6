// A user's own latest interactions, read from the ratings table when no clicks are given.
// PostgreSQL code: may ereport.
#pragma once

#include "arguments.hpp"
#include "serving_model.hpp"

namespace seqrec {

/// The user's latest items, oldest first, at most max_len of the model. Read with the rights of the model's
/// owner, who published the model; a user id that the column's type can't hold has no rows.
/// 用户最近的物品，最早的在前，至多为模型的 max_len 个。以模型所有者的权限读取；列类型无法表示的用户 id
/// 视为没有记录。
IdArray read_history(ServingModel& model, std::string_view user);

/// Gives an asker who wants the history the clicks of it. 为需要历史记录的请求者填入点击。
void read_missing_clicks(SqlAsker& asker, std::string_view model);

}  // namespace seqrec
