// The only items that a call wants, its candidates: what was given for them is looked up once, and known again as long as the session
// has it or what was given lasts. PostgreSQL code: may ereport.
#pragma once

#include <memory>

#include "core/candidates.hpp"

#include "pg/boundary.hpp"
#include "serving/serving_model.hpp"
#include "sql/arguments.hpp"

namespace seqrec {

/// Fills `items` with what the ids are of a model's; null when none are given.
/// 将 items 置为这些 id 所指的该模型的物品；未给出则为空。
void find_allowed_items(const ServingModel& model, const GivenArray& given,
                        std::shared_ptr<const Candidates>& items);

}  // namespace seqrec
