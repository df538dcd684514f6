// Kind `transformer` as the trainer's interface has it.
#pragma once

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

extern const TrainerKind kTransformerTrainer;

}  // namespace seqrec::trainer
