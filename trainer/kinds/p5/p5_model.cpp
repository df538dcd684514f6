#include "kinds/p5/p5_model.hpp"

#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/kinds/p5.hpp"
#include "kinds/p5/p5_learner.hpp"
#include "kinds/p5/probability.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

/// How much of the time that is left a stage may take: pretraining most of it, since what is tuned at a tenth of the rate needs
/// to have been learned before; prompts are learned from short sequences.
double share_of(Stage stage, bool last) {
    if (last) return 1;
    return stage == Stage::Pretrain ? 0.9 : 0.35;
}

void check_shape(const P5Network& earlier, const P5Settings& settings) {
    const bool same = earlier.dim() == settings.dim && earlier.position.size(0) == settings.max_len &&
                      std::ssize(earlier.blocks) == settings.layers &&
                      earlier.blocks[0].relative.size(0) == settings.heads;
    if (!same)
        throw Error(sqlstate::kInvalidParameter, "the model to start from has another shape",
                    "Leave dim, layers, heads and max_len out; they are taken from it.");
}

class P5Model final : public Model {
  public:
    P5Model(const json& options, const Dataset& data, const json& earlier)
        : settings_(options, data, earlier), random_(static_cast<std::uint64_t>(settings_.seed)) {}

    /// New items and features get fresh rows, new users none of their own.
    void start_from(const EarlierModel& earlier) override {
        earlier_ = &earlier;
        known_.emplace(earlier.file);
        check_shape(known_->state().network, settings_);
    }

    Trained train(const Run& run) override {
        const bool prompts = settings_.stages.back() != Stage::Pretrain;
        const auto unknown = std::make_shared<const UserFeatures>(UserFeatures::of_unknown(run.data.users()));
        const auto known = prompts ? std::make_shared<const UserFeatures>(run.data) : unknown;
        P5State state = starting_state(run.data, *known);
        json seconds = json::object();
        Turn turn{.of = std::ssize(settings_.stages)};
        for (const Stage stage : settings_.stages) {
            const bool last = turn.number + 1 == turn.of;
            turn.share = share_of(stage, last);
            turn.stage = name_of(stage);
            P5Learner learner(run.data, settings_, stage, stage == Stage::Pretrain ? unknown : known, state,
                              run.workers);
            Epochs epochs(run, settings_.course(stage), learner, Random(random_.next()), turn);
            epochs.run();
            state = learner.best();
            const P5State measured = state;
            if (last) {
                epochs.fit_all();
                state = learner.best();
            }
            seconds[name_of(stage)] = epochs.totals().seconds - turn.before.seconds;
            turn.before = epochs.totals();
            turn.begun += (1 - turn.begun) * turn.share;
            ++turn.number;
            if (last) return finished(run, known, measured, state, turn, std::move(seconds), learner);
        }
        throw Error(sqlstate::kInternal, "a training without stages", "");
    }

  private:
    Trained finished(const Run& run, const std::shared_ptr<const UserFeatures>& features,
                     const P5State& measured, const P5State& served, const Turn& turn, json seconds,
                     const P5Learner& learner) const {
        const auto seed = static_cast<std::uint64_t>(settings_.seed);
        P5Weights ranked(measured, features, Probability(settings_), learner.prompt_use().until);
        const auto [probability, warning] =
            fit_probability(run.data, run.data.questions(HeldOut::Validation), ranked, seed, run.workers);
        if (!warning.empty()) run.reporter.warning(warning);
        const PromptUse& use = learner.prompt_use();
        ranked = P5Weights(measured, features, probability, use.until);
        json metrics = turn.before.to_json();
        metrics.update(measure_probability(run.data, ranked, seed, run.workers));
        metrics["stage_seconds"] = std::move(seconds);
        metrics["personal_tokens"] = learner.has_personal_tokens();
        json config = settings_.to_json();
        config["columns"] = features->columns();
        if (use.until != kAlways) config["prompt_until"] = use.until;
        metrics["prompt_gain"] = use.gains;
        config["trained_epochs"] = turn.before.epochs;
        config["threshold"] = metrics["threshold"];
        return {std::make_unique<const P5Weights>(std::move(ranked)),
                std::make_unique<const P5Weights>(served, features, probability, use.until),
                std::move(metrics), std::move(config)};
    }

    P5State starting_state(const Dataset& data, const UserFeatures& features) {
        P5State start{P5Network(settings_, data.items(), features.rows(), random_),
                      at::zeros({data.users(), settings_.dim})};
        if (!earlier_) return start;
        const P5Network& known = known_->state().network;
        P5Network network = known;
        network.item = start.network.item;
        network.features = start.network.features;
        take_rows(network.item, known.item, earlier_->items);
        if (settings_.stages.back() != Stage::Pretrain)
            take_rows(start.personal, known_->state().personal, earlier_->users);
        take_feature_rows(network.features, features, known.features, known_->features());
        start.network = std::move(network);
        return start;
    }

    const P5Settings settings_;
    Random random_;
    const EarlierModel* earlier_ = nullptr;
    std::optional<P5Weights> known_;
};

std::unique_ptr<Model> make(const json& options, const Dataset& data, const json& earlier) {
    return std::make_unique<P5Model>(options, data, earlier);
}

std::unique_ptr<const Weights> read(const SafetensorsFile& file) {
    return std::make_unique<const P5Weights>(file);
}

}  // namespace

const TrainerKind kP5Trainer = {&kP5, make, read};

}  // namespace seqrec::trainer
