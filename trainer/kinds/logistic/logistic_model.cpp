#include "kinds/logistic/logistic_model.hpp"

#include <utility>

#include "core/measure/pair_metrics.hpp"
#include "kinds/logistic/coefficients.hpp"
#include "kinds/logistic/fitting.hpp"
#include "kinds/logistic/logistic_weights.hpp"
#include "kinds/shared/numbers.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kFewPairs = 2000;

std::vector<ScoredPair> probabilities(const std::vector<PairOutcome>& outcomes,
                                      const Calibration& calibration) {
    std::vector<ScoredPair> pairs;
    for (const PairOutcome& outcome : outcomes) {
        const double logit = calibration.slope * static_cast<double>(outcome.logit) + calibration.shift;
        pairs.push_back({static_cast<float>(sigmoid(logit)), outcome.positive});
    }
    return pairs;
}

class LogisticModel final : public Model {
  public:
    explicit LogisticModel(json options) : options_(std::move(options)) {}

    /// What is convex has one best fit wherever it starts.
    void start_from(const EarlierModel&) override {}

    Trained train(const Run& run) override {
        Design design(run.data, options_);
        for (const std::string& warning : design.warnings()) run.reporter.warning(warning);
        const Passes passes(run.data, design, options_.at("negatives"), options_.at("seed"), run.workers);
        Fitting fitting(run.data, design, passes, options_, run.reporter, run.checkpoint);
        fitting.fit();
        const std::vector<PairOutcome> validation = passes.outcomes({Of::Validation}, fitting.coefficients()),
                                       test = passes.outcomes({Of::Test}, fitting.coefficients());
        // Of few held-out pairs a calibration would be noise; what is told out of fold nobody trained on either.
        const bool few = test.size() < kFewPairs && calibrates();
        const std::vector<PairOutcome> known =
            together(few ? fitting.out_of_fold() : std::vector<PairOutcome>(), validation);
        Calibration calibration = choose_calibration(known);
        json metrics = fitting.metrics();
        metrics.update(measure(run, validation, test, calibration));
        const auto made = [&](Pairs pairs, bool told) {
            return make_weights(run, design, passes, fitting, calibration, pairs, told);
        };
        auto measured = made({Of::Training}, false);
        const bool refits = options_.at("holdout") == "refit";
        if (refits) calibration = choose_calibration(together(known, test));  // once it has been measured
        if (refits && holds_out(run.data)) {
            design.count_popularity(Part::All);
            fitting.fit_all();
        }
        auto served = made({Of::All}, true);
        json config = options_;
        config.update(served->config());
        config["calibration_slope"] = calibration.slope;
        config["calibration_shift"] = calibration.shift;
        config["threshold"] = metrics["threshold"];
        config["labelled"] = design.is_labelled();
        return {std::move(measured), std::move(served), std::move(metrics), std::move(config)};
    }

  private:
    static bool holds_out(const Dataset& data) {
        for (std::int64_t u = 0; u < data.users(); ++u)
            if (data.training(u).size() < data.sequence(u).size()) return true;
        return false;
    }

    /// Weights say what to learn from; probabilities are those of pairs as they come.
    Calibration choose_calibration(std::vector<PairOutcome> outcomes) const {
        for (PairOutcome& outcome : outcomes) outcome.weight = 1;
        return calibrates() ? calibrate(outcomes) : Calibration{};
    }
    bool calibrates() const { return options_.at("calibration") == "platt"; }

    static std::vector<PairOutcome> together(std::vector<PairOutcome> first,
                                             const std::vector<PairOutcome>& second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
    }

    static json measure(const Run& run, const std::vector<PairOutcome>& validation,
                        const std::vector<PairOutcome>& test, const Calibration& calibration) {
        const float threshold = best_threshold(probabilities(validation, calibration));
        json metrics = pair_metrics(probabilities(test, calibration), threshold);
        if (metrics["pairs_evaluated"] == 0)
            run.reporter.warning("no pair was held out, so the probabilities were not measured");
        return metrics;
    }

    std::unique_ptr<const LogisticWeights> make_weights(const Run& run, const Design& design,
                                                        const Passes& passes, const Fitting& fitting,
                                                        const Calibration& calibration, Pairs pairs,
                                                        bool told) const {
        std::size_t left_out = 0;
        std::vector<NamedTensor> table;
        if (told) {
            table = coefficient_table(run.data, design, fitting.coefficients(), fitting.errors(pairs),
                                      passes.counts(pairs), &left_out);
            if (left_out > 0)
                run.reporter.warning("the table of coefficients has the " +
                                     std::to_string(kMostCoefficients) +
                                     " that most pairs have to do with; " + std::to_string(left_out) +
                                     " more are in the model");
        }
        return std::make_unique<const LogisticWeights>(run.data, design, passes, fitting.coefficients(),
                                                       calibration, std::move(table));
    }

    json options_;
};

std::unique_ptr<Model> make(const json& options, const Dataset&, const json&) {
    return std::make_unique<LogisticModel>(options);
}

std::unique_ptr<const Weights> read(const SafetensorsFile& file) {
    return std::make_unique<const LogisticWeights>(file);
}

}  // namespace

const TrainerKind kLogisticTrainer = {&kLogistic, make, read};

}  // namespace seqrec::trainer
