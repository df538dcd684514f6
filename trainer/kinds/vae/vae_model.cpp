#include "kinds/vae/vae_model.hpp"

#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/kinds/vae.hpp"
#include "kinds/shared/epochs.hpp"
#include "kinds/vae/active_units.hpp"
#include "kinds/vae/vae_learner.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

void check_shape(const Vae& earlier, const VaeSettings& settings) {
    const Transformer& encoder = earlier.encoder;
    const bool same =
        earlier.dim() == settings.dim && earlier.latent() == settings.latent &&
        encoder.position.size(0) == settings.max_len && std::ssize(encoder.blocks) == settings.layers &&
        encoder.blocks[0].relative.size(0) == settings.heads && earlier.attends() == settings.attention;
    if (!same)
        throw Error(sqlstate::kInvalidParameter, "the model to start from has another shape",
                    "Leave dim, latent, layers, heads, attention and max_len out; they are taken from it.");
}

class VaeModel final : public Model {
  public:
    VaeModel(const json& options, const Dataset& data, const json& earlier)
        : settings_(options, data, earlier), random_(static_cast<std::uint64_t>(settings_.seed)) {}

    /// New items get fresh rows.
    void start_from(const EarlierModel& earlier) override {
        Vae known = VaeWeights(earlier.file).network();
        check_shape(known, settings_);
        const Tensor rows = Vae(settings_, std::ssize(earlier.items), random_).encoder.item;
        take_rows(rows, known.encoder.item, earlier.items);
        known.encoder.item = rows;
        start_ = std::move(known);
    }

    Trained train(const Run& run) override {
        Vae start = start_ ? *start_ : Vae(settings_, run.data.items(), random_);
        VaeLearner learner(run.data, settings_, std::move(start), run.workers);
        Epochs epochs(run, settings_.course(), learner, Random(random_.next()));
        epochs.run();
        auto measured = std::make_unique<const VaeWeights>(learner.best(), run.data.users());
        json metrics = told(measured->network(), run);
        epochs.fit_all();
        metrics.update(epochs.totals().to_json());
        json config = settings_.to_json();
        config["trained_epochs"] = metrics["epochs"];
        return {std::move(measured), std::make_unique<const VaeWeights>(learner.best(), run.data.users()),
                std::move(metrics), std::move(config)};
    }

  private:
    /// What the latent variables tell; says so when half of them tell nothing.
    json told(const Vae& network, const Run& run) const {
        const Tensor divergence = mean_divergence(network, run.data);
        const std::int64_t active = active_units(divergence);
        if (2 * active < settings_.latent)
            run.reporter.warning("only " + std::to_string(active) + " of " +
                                 std::to_string(settings_.latent) +
                                 " latent variables tell anything (posterior collapse); lower beta, raise "
                                 "free_bits, or ask for fewer (latent)");
        return {{"kl", divergence.sum().item<double>()}, {"active_units", active}};
    }

    const VaeSettings settings_;
    Random random_;
    std::optional<Vae> start_;
};

std::unique_ptr<Model> make(const json& options, const Dataset& data, const json& earlier) {
    return std::make_unique<VaeModel>(options, data, earlier);
}

std::unique_ptr<const Weights> read(const SafetensorsFile& file) {
    return std::make_unique<const VaeWeights>(file);
}

}  // namespace

const TrainerKind kVaeTrainer = {&kVae, make, read};

}  // namespace seqrec::trainer
