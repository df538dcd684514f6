// Networks that are trained one after the other with the same curriculum.
#pragma once

#include "kinds/shared/epochs.hpp"
#include "kinds/transformer/transformer_learner.hpp"

namespace seqrec::trainer {

/// What networks are trained with; all that is referred to must outlive them.
/// 训练各网络所用的内容；所引用的对象须存活更久。
struct Curriculum {
    const Run& run;
    const Settings& settings;
    const EpochSettings& course;
    at::Tensor content;  ///< [items, width], undefined for none
    const Moments& moments;
    const Rehearsal* rehearsal = nullptr;
    const Teacher* teacher = nullptr;
};

/// Networks as they are measured, without what is held out, and as they are served; what the last says of itself, `best_epoch` among it.
/// 用于评估（不含留出部分）与用于服务的网络，以及最后一个网络的自述指标（含 best_epoch）。
struct Networks {
    Members measured{}, served{};
    nlohmann::json metrics{};
};

/// Trains a network from each of `start`; `turn` goes on with each, and each draws its own random numbers.
/// 从 start 的每一份权重训练一个网络；turn 随之推进，各网络使用各自的随机数。
Networks train_each(const Curriculum& curriculum, Members start, Turn& turn, Random& random);

}  // namespace seqrec::trainer
