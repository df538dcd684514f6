// Which rows of a table a model has been told in its training.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/measure/event_log.hpp"

namespace seqrec {

class TableRows;

/// Tells rows that a model has learned from apart: those of its users with an item that it knows them to have had,
/// no later than the latest it knows of the user, unless its `holdout` kept them out (the last two of a user, where `holdout_share` drew
/// the user, or the last fifth of the time that it knows).
/// What it started from (`init_from`) is not looked at.
/// 判别模型学过的行：其用户的、物品为该用户已有的、不晚于该用户已知最后时间的行，除非 holdout 将其留出
/// （holdout_share 抽中的用户的最后两次，或其所知时间的最后五分之一）。不考虑它所起始的模型（init_from）。
class ToldRows {
  public:
    explicit ToldRows(const TableRows& rows);
    bool contains(const Question& question) const;

  private:
    std::int64_t known_events(std::int64_t user, double until) const;
    bool has_had(std::int32_t user, std::int32_t item) const;

    const TableRows& rows_;
    std::span<const double> seen_until_;
    bool keeps_out_ = false, by_time_ = false;
    double learned_until_ = 0;  // by time: where its validation begins
    double holdout_share_ = 1;  // else: of how many users it kept the last two
    std::uint64_t seed_ = 1;
    mutable std::int32_t user_ = -1;
    mutable std::vector<std::int32_t> had_;  // of that user, sorted
};

}  // namespace seqrec
