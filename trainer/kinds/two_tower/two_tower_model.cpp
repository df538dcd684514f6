#include "kinds/two_tower/two_tower_model.hpp"

#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/kinds/two_tower.hpp"
#include "data/item_content.hpp"
#include "kinds/shared/cold_shift.hpp"
#include "kinds/shared/epochs.hpp"
#include "kinds/two_tower/tower_learner.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

/// Residuals of items with interactions in the training part; the others have none, ever.
Tensor fresh_residuals(const Dataset& data, std::int64_t dim, Random& random) {
    Tensor residuals = at::zeros({data.items(), dim});
    for (const std::int32_t item : Catalogue(data, Part::Training).warm)
        for (std::int64_t d = 0; d < dim; ++d)
            residuals.data_ptr<float>()[item * dim + d] =
                kFreshNumbers * 1.7f * static_cast<float>(2 * random.uniform() - 1);
    return residuals;
}

void clear_cold(const Dataset& data, const Tensor& residuals) {
    const std::vector<std::int64_t> counts = Sequences(data, Part::Training, nullptr).counts(data.items());
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] == 0) residuals.select(0, static_cast<std::int64_t>(i)).zero_();
}

void check_shape(const Towers& earlier, const TowerSettings& settings) {
    const bool deep = earlier.content_wide_weight.defined();
    const bool same = earlier.dim() == settings.dim && earlier.relative.size(0) == settings.heads &&
                      earlier.relative.size(1) == settings.max_len &&
                      earlier.wide_weight.size(0) == settings.hidden &&
                      (!earlier.content_weight.defined() ||
                       (deep ? earlier.content_wide_weight.size(0) : 0) == settings.content_hidden);
    if (!same)
        throw Error(sqlstate::kInvalidParameter, "the model to start from has another shape",
                    "Leave dim, heads, max_len, hidden and content_hidden out; they are taken from it.");
}

class TwoTowerModel final : public Model {
  public:
    TwoTowerModel(json options, const Dataset& data, const json& earlier)
        : options_(std::move(options)),
          settings_(options_, data, earlier),
          random_(static_cast<std::uint64_t>(settings_.seed)) {}

    /// New items get fresh residuals, new features fresh rows.
    void start_from(const EarlierModel& earlier) override {
        earlier_ = &earlier;
        known_.emplace(earlier.file);
        check_shape(known_->pair().towers, settings_);
    }

    Trained train(const Run& run) override {
        const TowerMaterial material{run.data, run.content ? ContentRows(run.content->rows()) : ContentRows(),
                                     std::make_shared<const UserFeatures>(run.data)};
        if (!material.content.exist()) settings_.id_dropout = 0;  // there is nothing else
        TowerPair start = starting_weights(run.data, material);
        const double scale = start.towers.content_scale;
        TowerLearner learner(material, settings_, std::move(start), run.workers);
        Epochs epochs(run, settings_.course(), learner, Random(random_.next()));
        epochs.run();
        TowerPair measured = learner.best();
        epochs.fit_all();
        TowerPair served = learner.best();
        const Totals totals = epochs.totals();
        json config = options_;
        config.update(settings_.to_json());
        config["trained_epochs"] = totals.epochs;
        config["columns"] = material.features->columns();
        config["content_scale"] = scale;
        if (material.content.exist()) config["cold_shift"] = shift_new_items(run, material, measured, served);
        return {weights_of(measured, material, run.workers), weights_of(served, material, run.workers),
                totals.to_json(), std::move(config)};
    }

  private:
    /// Moves the items that nobody has had, in both; returns how far.
    double shift_new_items(const Run& run, const TowerMaterial& material, TowerPair& measured,
                           TowerPair& served) const {
        const auto had = [&](Part part) { return Catalogue(run.data, part).warm; };
        const auto query = [&](const TowerPair& pair) {
            return mean_query(run.data, *weights_of(pair, material, run.workers));
        };
        const auto before = had(Part::Training);
        const Tensor asked = query(measured);
        const Shifted shifted = [&](double share) {
            return weights_of(with_fresh_residuals(measured, material.content, before, asked, share),
                              material, run.workers);
        };
        const double share = settle_cold_shift(run, settings_.cold_shift, shifted);
        measured = with_fresh_residuals(measured, material.content, before, asked, share);
        served =
            with_fresh_residuals(served, material.content, had(settings_.refit ? Part::All : Part::Training),
                                 query(served), share);
        return share;
    }

    TowerPair starting_weights(const Dataset& data, const TowerMaterial& material) {
        TowerPair start{Towers(settings_, material.content, material.features->rows(), random_),
                        fresh_residuals(data, settings_.dim, random_)};
        if (!earlier_) return start;
        take_rows(start.residuals, known_->pair().residuals, earlier_->items);
        clear_cold(data, start.residuals);
        Towers known = known_->pair().towers;
        take_feature_rows(start.towers.features, *material.features, known.features, known_->features());
        known.features = start.towers.features;
        take_content(known, start.towers, material);
        start.towers = known;
        return start;
    }

    /// Content that the earlier model had none of, or that is gone, begins anew.
    static void take_content(Towers& known, const Towers& fresh, const TowerMaterial& material) {
        const bool had = known.content_weight.defined();
        if (had && material.content.exist()) {
            const Tensor& first =
                known.content_wide_weight.defined() ? known.content_wide_weight : known.content_weight;
            if (first.size(1) == material.content.width()) return;
            throw Error(sqlstate::kInvalidParameter,
                        "the model to start from knows other things of its items",
                        "Train without init_from, or with the same columns and texts.");
        }
        known.content_wide_weight = fresh.content_wide_weight;
        known.content_wide_bias = fresh.content_wide_bias;
        known.content_weight = fresh.content_weight;
        known.content_bias = fresh.content_bias;
        known.content_scale = fresh.content_scale;
    }

    const json options_;
    TowerSettings settings_;
    Random random_;
    const EarlierModel* earlier_ = nullptr;
    std::optional<TowerWeights> known_;
};

std::unique_ptr<Model> make(const json& options, const Dataset& data, const json& earlier) {
    return std::make_unique<TwoTowerModel>(options, data, earlier);
}

std::unique_ptr<const Weights> refresh(const SafetensorsFile& file, const std::vector<std::int32_t>& rows,
                                       const Tensor& content) {
    return std::make_unique<const TowerWeights>(TowerWeights(file).over(rows, content));
}

std::unique_ptr<const Weights> read(const SafetensorsFile& file) {
    return std::make_unique<const TowerWeights>(file);
}

}  // namespace

const TrainerKind kTwoTowerTrainer = {&kTwoTower, make, read, refresh};

}  // namespace seqrec::trainer
