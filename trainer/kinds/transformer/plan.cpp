#include "kinds/transformer/plan.hpp"

#include "run/checkpoint.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

/// The plan of a training that was interrupted. Every checkpoint has it; the first network's is the first that is written.
std::optional<Plan> planned(const Run& run) {
    if (run.checkpoint.empty()) return std::nullopt;
    const auto settings = Checkpoint(run.checkpoint + ".0", run.data.job()).settings();
    if (!settings || !settings->contains("plan")) return std::nullopt;
    return Plan::from_json(settings->at("plan"));
}

Plan decide(const Run& run, Settings& settings, const Open& open, const Random& random,
            const at::Tensor& content, const std::optional<Predecessor>& before) {
    Turn turn;
    Plan plan{settings.members, settings.students, settings.sampled_items};
    Pace pace(run, settings, open, random, turn);
    Trials trials(run, settings, pace, random, turn);
    plan.trains_content = before ? before->has_content() : trials.trains_content(content);
    const bool goes_on = before && settings.context_use == "auto";
    plan.context = goes_on ? before->context(run.data)
                           : trials.uses_context(plan.trains_content ? content : at::Tensor());
    pace.settle_networks(turn);
    plan.metrics = trials.metrics();
    plan.metrics.update(pace.metrics());
    plan.members = settings.members;
    plan.students = settings.students;
    plan.sampled_items = settings.sampled_items;
    plan.seconds = turn.before.seconds;
    plan.shown = turn.begun;
    return plan;
}

}  // namespace

json Plan::to_json() const {
    return {{"members", members},
            {"students", students},
            {"sampled_items", sampled_items},
            {"trains_content", trains_content},
            {"context", context.name()},
            {"metrics", metrics},
            {"seconds", seconds},
            {"shown", shown}};
}

Plan Plan::from_json(const json& plan) {
    return {.members = state_of<std::int64_t>(plan, "members"),
            .students = state_of<std::int64_t>(plan, "students"),
            .sampled_items = state_of<std::int64_t>(plan, "sampled_items"),
            .trains_content = state_of<bool>(plan, "trains_content"),
            .context = use_named(state_of<std::string>(plan, "context")),
            .metrics = state_of<json>(plan, "metrics"),
            .seconds = state_of<double>(plan, "seconds"),
            .shown = state_of<double>(plan, "shown")};
}

Plan make_plan(const Run& run, Settings& settings, const Open& open, const Random& random,
               const at::Tensor& content, const std::optional<Predecessor>& before) {
    const std::optional<Plan> interrupted = planned(run);
    const Plan plan = interrupted ? *interrupted : decide(run, settings, open, random, content, before);
    settings.members = plan.members;
    settings.students = plan.students;
    settings.sampled_items = plan.sampled_items;
    return plan;
}

}  // namespace seqrec::trainer
