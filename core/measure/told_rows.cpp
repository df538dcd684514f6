#include "core/measure/told_rows.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/measure/drawn_users.hpp"
#include "core/measure/model_evaluation.hpp"

namespace seqrec {
namespace {

/// 1 where a config, which may have been edited, tells none.
double number_of(const nlohmann::json& config, const char* name) {
    const nlohmann::json value = config.value(name, nlohmann::json());
    return value.is_number() ? value.get<double>() : 1;
}

}  // namespace

ToldRows::ToldRows(const TableRows& rows)
    : rows_(rows),
      seen_until_(rows.snapshot().file().get<double>("user.seen_until", {rows.snapshot().users().size()})) {
    const auto config = nlohmann::json::parse(rows.snapshot().file().meta("config"), nullptr, false);
    if (!config.is_object()) return;
    keeps_out_ = config.value("holdout", nlohmann::json()) == "keep";
    const nlohmann::json split = config.value("split", nlohmann::json());
    if (split == "random") keeps_out_ = false;  // which rows it kept out nobody can tell
    by_time_ = split == "time";
    holdout_share_ = number_of(config, "holdout_share");
    seed_ = static_cast<std::uint64_t>(number_of(config, "seed"));
    if (!keeps_out_ || !by_time_ || seen_until_.empty()) return;
    std::vector<double> times = rows.log().all_times();
    std::erase_if(times, [latest = std::ranges::max(seen_until_)](double time) { return time > latest; });
    learned_until_ = periods_of(times).validation_after;
}

std::int64_t ToldRows::known_events(std::int64_t user, double until) const {
    const auto times = rows_.log().times(user);
    return std::ranges::upper_bound(times, until) - times.begin();
}

/// Whether the model knows that a user had an item; what is said of one user is kept for the next question.
bool ToldRows::has_had(std::int32_t user, std::int32_t item) const {
    if (user != user_) {
        const auto seen = rows_.snapshot().seen(user);
        had_.assign(seen.begin(), seen.end());
        std::ranges::sort(had_);
        user_ = user;
    }
    return std::ranges::binary_search(had_, item);
}

bool ToldRows::contains(const Question& question) const {
    const std::int32_t user = rows_.model_user(question.user);
    if (user < 0) return false;
    if (!has_had(user, rows_.log().items(question.user)[static_cast<std::size_t>(question.at)])) return false;
    const double until = seen_until_[static_cast<std::size_t>(user)];
    const double time = rows_.log().times(question.user)[static_cast<std::size_t>(question.at)];
    if (!(time <= until)) return false;
    if (!keeps_out_) return true;
    if (by_time_) return time <= learned_until_;
    if (!is_drawn(user, seed_, holdout_share_)) return true;
    const std::int64_t known = known_events(question.user, until);
    return known < 3 || question.at < known - 2;
}

}  // namespace seqrec
