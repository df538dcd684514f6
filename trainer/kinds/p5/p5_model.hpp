// Kind `p5` in the trainer.
#pragma once

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

extern const TrainerKind kP5Trainer;

}  // namespace seqrec::trainer
