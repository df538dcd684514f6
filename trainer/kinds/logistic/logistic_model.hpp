// Training a logistic regression.
#pragma once

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

extern const TrainerKind kLogisticTrainer;

}  // namespace seqrec::trainer
