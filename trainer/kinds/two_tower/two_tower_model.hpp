// Kind `two_tower` in the trainer.
#pragma once

#include "kinds/trainer_kind.hpp"

namespace seqrec::trainer {

extern const TrainerKind kTwoTowerTrainer;

}  // namespace seqrec::trainer
