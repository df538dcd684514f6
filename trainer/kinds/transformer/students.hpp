// Networks that learn from the mean of several, and are served in their place.
#pragma once

#include "kinds/transformer/networks.hpp"

namespace seqrec::trainer {

/// What is served after all: the students, or those that they learned from, where the students rank worse and `serving` is not fast.
/// 最终用于服务的网络：学生网络；若其排名更差且 serving 不为 fast，则为其所学的网络。
struct Graduation {
    Networks served;
    nlohmann::json
        config;  ///< `members` and `students`: how many are served, and how many of them learned so
    nlohmann::json metrics;  ///< `teaching`: NDCG@10 of both on the validation questions
};

/// Whether students may take their teachers' place: at least 99 % of their NDCG@10, or nothing was validated (null).
/// 学生网络是否可代替其教师：NDCG@10 至少为其 99 %，或没有验证问题（null）。
bool ranks_as_well(const nlohmann::json& student, const nlohmann::json& teachers);

/// Trains a student from each of `start` by what all `members` together say of every place, with half of their dropout: what
/// others say is learned by heart less easily than labels (docs/ablations.md).
/// 从 start 的每一份权重训练一个学生网络，学习全部 members 对每个位置的共同判断，dropout 减半。
Graduation teach(const Curriculum& curriculum, const Networks& members, Members start, Turn& turn,
                 Random& random);

}  // namespace seqrec::trainer
