#include "kinds/transformer/transformer_model.hpp"

#include <utility>

#include "core/error.hpp"
#include "core/kinds/transformer.hpp"
#include "kinds/transformer/training.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

void check_shape(const Members& earlier, const Settings& settings) {
    const Transformer& network = earlier[0].network;
    const bool same = static_cast<std::int64_t>(earlier.size()) == settings.members &&
                      network.item.size(1) == settings.dim && network.position.size(0) == settings.max_len &&
                      static_cast<std::int64_t>(network.blocks.size()) == settings.layers &&
                      network.blocks[0].relative.size(0) == settings.heads;
    if (!same)
        throw Error(sqlstate::kInvalidParameter, "the model to start from has another shape",
                    "Leave members, dim, layers, heads and max_len out; they are taken from it.");
}

/// Networks trained one after the other; each starts from its own weights and draws its own random numbers.
class TransformerModel final : public Model {
  public:
    TransformerModel(const json& options, const Dataset& data, const json& earlier)
        : settings_(options, data, earlier), random_(static_cast<std::uint64_t>(settings_.seed)) {}

    /// New items get fresh rows, new users zeros.
    void start_from(const EarlierModel& earlier) override {
        const TransformerWeights weights(earlier.file);
        check_shape(weights.members(), settings_);
        for (const Member& known : weights.members()) {
            Member member = known;
            member.network.item =
                Transformer(settings_, static_cast<std::int64_t>(earlier.items.size()), random_).item;
            member.users =
                at::zeros({static_cast<std::int64_t>(earlier.users.size()), settings_.dim}, at::kFloat);
            take_rows(member.network.item, known.own.defined() ? known.own : known.network.item,
                      earlier.items);
            take_rows(member.users, known.users, earlier.users);
            start_.push_back(std::move(member));
        }
    }

    Trained train(const Run& run) override {
        const at::Tensor content = run.content ? run.content->rows() : at::Tensor();
        if (start_.empty()) start_ = fresh_start(run.data, content.defined() ? content.size(1) : 0);
        Members measured, served;
        json metrics = json::object();
        Turn turn{0, settings_.members};
        for (; turn.number < turn.of; ++turn.number) {
            Checkpoint checkpoint(checkpoint_path(run, turn), run.data.job());
            Training training(run.data, settings_, content,
                              std::move(start_[static_cast<std::size_t>(turn.number)]),
                              Random(random_.next()), turn, run.workers, run.reporter, checkpoint);
            training.run();
            measured.push_back(training.best());
            training.fit_all();
            served.push_back(training.best());
            metrics = training.metrics(metrics);
            turn.epochs_before = metrics["epochs"];
            turn.seconds_before = metrics["train_seconds"];
        }
        for (const char* name : {"flops", "step_seconds"}) metrics.erase(name);
        json config = settings_.to_json();
        config["trained_epochs"] = metrics["epochs"].get<std::int64_t>() / settings_.members;
        return {std::make_unique<const TransformerWeights>(std::move(measured)),
                std::make_unique<const TransformerWeights>(std::move(served)), std::move(metrics),
                std::move(config)};
    }

  private:
    Members fresh_start(const Dataset& data, std::int64_t content) {
        Members start(static_cast<std::size_t>(settings_.members));
        for (Member& member : start) {
            member.network = Transformer(settings_, data.items(), random_, content);
            member.users = at::zeros({data.users(), settings_.dim}, at::kFloat);
        }
        return start;
    }

    static std::string checkpoint_path(const Run& run, const Turn& turn) {
        return run.checkpoint.empty() ? "" : run.checkpoint + "." + std::to_string(turn.number);
    }

    const Settings settings_;
    Random random_;
    Members start_;
};

std::unique_ptr<Model> make(const json& options, const Dataset& data, const json& earlier) {
    return std::make_unique<TransformerModel>(options, data, earlier);
}

std::unique_ptr<const Weights> refresh(const SafetensorsFile& file, const std::vector<std::int32_t>& rows,
                                       const at::Tensor& content) {
    return std::make_unique<const TransformerWeights>(TransformerWeights(file).over(rows, content));
}

std::unique_ptr<const Weights> read(const SafetensorsFile& file) {
    return std::make_unique<const TransformerWeights>(file);
}

}  // namespace

const TrainerKind kTransformerTrainer = {&kTransformer, make, read, refresh};

}  // namespace seqrec::trainer
