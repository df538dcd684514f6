// Kind `vae` in the trainer.
#pragma once

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

extern const TrainerKind kVaeTrainer;

}  // namespace seqrec::trainer
