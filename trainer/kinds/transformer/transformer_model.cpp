#include "kinds/transformer/transformer_model.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/error.hpp"
#include "core/kinds/transformer.hpp"
#include "kinds/shared/choices.hpp"
#include "kinds/shared/epochs.hpp"
#include "kinds/transformer/context_choice.hpp"
#include "kinds/transformer/new_items.hpp"
#include "kinds/transformer/rehearsal.hpp"
#include "kinds/transformer/transformer_learner.hpp"

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

ContextUse use_named(const std::string& name) {
    return {name == "time" || name == "all", name == "columns" || name == "all"};
}

/// Networks trained one after the other; each starts from its own weights and draws its own random numbers.
class TransformerModel final : public Model {
  public:
    TransformerModel(const json& options, const Dataset& data, const json& earlier)
        : settings_(options, data, earlier),
          random_(static_cast<std::uint64_t>(settings_.seed)),
          decides_epochs_(value_or(options, "epochs", json()).is_null()),
          earlier_use_(use_named(earlier.is_null() ? "none" : earlier.value("context_use", "none"))) {}

    /// New items get fresh rows, new users zeros.
    void start_from(const EarlierModel& earlier) override {
        const TransformerWeights weights(earlier.file);
        check_shape(weights.members(), settings_);
        for (const Member& known : weights.members()) {
            Member member = known;
            member.network.item =
                Transformer(settings_, static_cast<std::int64_t>(earlier.items.size()), random_).item;
            earlier_moments_ = moment_names(earlier.file);
            member.users =
                at::zeros({static_cast<std::int64_t>(earlier.users.size()), settings_.dim}, at::kFloat);
            take_rows(member.network.item, known.own.defined() ? known.own : known.network.item,
                      earlier.items);
            take_rows(member.users, known.users, earlier.users);
            start_.push_back(std::move(member));
        }
        gone_ = gone(earlier);
        if (decides_epochs_ && settings_.distill != 0 && gone_ > 0.5)
            settings_.epochs = std::max(settings_.epochs, kEpochsOnNewRows);
        if (settings_.distill < 0 ? gone_ > 0 : settings_.distill > 0) remember(earlier, weights.members());
    }

    Trained train(const Run& run) override {
        const at::Tensor known = run.content ? run.content->rows() : at::Tensor();
        check_content(known);
        json metrics = json::object();
        json told = json::object();
        Turn turn{0, settings_.members};
        const bool trains = trains_content(run, known, turn, told);
        const at::Tensor content = trains ? known : at::Tensor();
        const ContextUse use = uses_context(run, content, turn, told);
        const Moments moments(run.data, use);
        if (start_.empty()) start_ = fresh_start(run.data, width_of(content));
        begin_moments(moments);
        const std::optional<Rehearsal> rehearsal = rehearse(run, turn);
        EpochSettings course = settings_.course();
        course.options["context_use"] = use.name();
        Members measured, served;
        for (; turn.number < turn.of; ++turn.number) {
            TransformerLearner learner(run.data, settings_, content,
                                       std::move(start_[static_cast<std::size_t>(turn.number)]), run.workers,
                                       moments);
            if (rehearsal) learner.rehearse(*rehearsal, share_, items_.known);
            Epochs epochs(run, course, learner, Random(random_.next()), turn);
            epochs.run();
            measured.push_back(learner.best());
            epochs.fit_all();
            served.push_back(learner.best());
            turn.before = epochs.totals();
            metrics = learner.metrics();
        }
        json config = settings_.to_json();
        if (known.defined()) {
            const NewItems decided =
                settle_new_items(run, settings_, known, said(rehearsal), trains, measured, served);
            config.update(decided.config);
            told.update(decided.metrics);
        }
        metrics.update(turn.before.to_json());
        metrics.update(told);
        if (rehearsal) {
            config["distill"] = share_;
            metrics["distill_clicks"] = rehearsal->positions();
        }
        config["trained_epochs"] = turn.before.epochs / settings_.members;
        config["context_use"] = use.name();
        std::vector<NamedTensor> names;
        if (use.any()) {
            config.update(moments.config());
            names = moments.tensors();
            metrics["context_test_ndcg@10"] = context_test(run, TransformerWeights(measured), moments);
        }
        return {std::make_unique<const TransformerWeights>(std::move(measured), names),
                std::make_unique<const TransformerWeights>(std::move(served), names), std::move(metrics),
                std::move(config)};
    }

  private:
    static std::int64_t width_of(const at::Tensor& content) {
        return content.defined() ? content.size(1) : 0;
    }

    /// The earlier model as it was, by the dataset's items: training changes start_ in place.
    void remember(const EarlierModel& earlier, const Members& members) {
        for (const Member& known : members) {
            Member member = known;
            member.network.item = at::zeros({static_cast<std::int64_t>(earlier.items.size()), settings_.dim});
            take_rows(member.network.item, known.network.item, earlier.items);
            member.network.for_each([](const std::string&, at::Tensor& tensor) { tensor = tensor.clone(); });
            earlier_.push_back(std::move(member));
        }
        const at::Tensor popularity = read_tensor(earlier.file, "item.popularity");
        for (std::size_t i = 0; i < earlier.items.size(); ++i) {
            if (earlier.items[i] < 0 || is_fresh(members[0], earlier.items[i])) continue;
            items_.known.push_back(static_cast<std::int32_t>(i));
            items_.popularity.push_back(popularity.data_ptr<float>()[earlier.items[i]]);
        }
    }

    /// Whether an item of the earlier model stood by its content alone, so that nothing was learned of it.
    static bool is_fresh(const Member& member, std::int64_t item) {
        return member.own.defined() && member.fresh.defined() && at::equal(member.own[item], member.fresh);
    }

    /// The share of the earlier model's users of whom the table no longer tells.
    static double gone(const EarlierModel& earlier) {
        const auto users = static_cast<double>(earlier.file.tensor("user.embedding").shape.at(0));
        return users > 0 ? 1 - static_cast<double>(earlier.known_users()) / users : 0;
    }

    std::span<const std::int32_t> said(const std::optional<Rehearsal>& rehearsal) const {
        return rehearsal ? std::span<const std::int32_t>(items_.known) : std::span<const std::int32_t>();
    }

    /// What the earlier model says again, and how often: as the options say, else the more the less the table tells of
    /// what it was trained on. What is still there is said again by the rows themselves.
    /// Its time counts, a tenth of what there is at most.
    std::optional<Rehearsal> rehearse(const Run& run, Turn& turn) {
        if (earlier_.empty() || items_.known.size() < 2) return std::nullopt;
        share_ = settings_.distill < 0 ? kRehearsed * gone_ : settings_.distill;
        if (share_ == 0) return std::nullopt;
        const double labels = share_ * static_cast<double>(run.data.training_interactions());
        const double affordable =
            kPairsASecond * settings_.max_seconds / 10 / static_cast<double>(items_.known.size());
        const auto positions =
            static_cast<std::int64_t>(std::clamp(std::min(labels, affordable), 1000.0, kMostRehearsed));
        run.reporter.progress({{"phase", "training"}, {"percent", 100 * turn.begun}});
        const auto begin = std::chrono::steady_clock::now();
        std::optional<Rehearsal> rehearsal(std::in_place, earlier_, items_, run.data, settings_.temperature,
                                           positions, static_cast<std::uint64_t>(settings_.seed),
                                           run.workers);
        turn.before.seconds +=
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return rehearsal;
    }

    /// Weights that were trained with content mean nothing without it, or with another.
    void check_content(const at::Tensor& content) const {
        const at::Tensor before = start_.empty() ? at::Tensor() : start_[0].network.projection;
        if (start_.empty() || !before.defined() || width_of(content) == before.size(1)) return;
        throw Error(sqlstate::kInvalidParameter,
                    "the model to start from knows its items by text or vectors, which are not given",
                    "Give the table of items and the columns that it was trained with.");
    }

    /// Whether content takes part in the training: as asked, or as a short training with and one without it rank the
    /// validation items. Where it does not pay, items that nobody has had get their rows by a fit.
    bool trains_content(const Run& run, const at::Tensor& content, Turn& turn, json& told) {
        if (!start_.empty()) return start_[0].network.projection.defined();
        if (!content.defined() || settings_.content_use != "auto")
            return content.defined() && settings_.content_use == "trained";
        const ShortTraining with = short_training(run, content, {}, apart(kShort, turn), kShortEpochs);
        // As many epochs, however long they take now: what else the machine does must not decide.
        const ShortTraining without = short_training(run, {}, {}, apart(2, turn), with.epochs);
        told["content_ndcg@10"] = {{"with", with.ndcg}, {"without", without.ndcg}, {"epochs", with.epochs}};
        return with.ndcg >= without.ndcg;
    }

    /// What of the moment takes part: as asked, as the earlier model has it, or as short trainings tell. Their time counts.
    ContextUse uses_context(const Run& run, const at::Tensor& content, Turn& turn, json& told) {
        if (!start_.empty() && settings_.context_use == "auto") {
            if (!start_[0].network.click_moments.defined()) return {};
            const ContextUse there = context_of(run.data);  // what it knows and the data have no more goes
            return {earlier_use_.time && there.time, earlier_use_.columns && there.columns};
        }
        const auto begin = std::chrono::steady_clock::now();
        bool first = true;
        const ContextChoice choice =
            choose_context(run, settings_.context_use, [&](const Moments& moments, std::int64_t epochs) {
                return short_training(run, content, moments,
                                      apart(std::exchange(first, false) ? kShort : 2, turn), epochs);
            });
        told.update(choice.metrics);
        if (!first) {
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
            turn.before.seconds += spent.count();
        }
        return choice.use;
    }

    /// What the earlier model knows of moments goes on, what is new begins by saying nothing.
    void begin_moments(const Moments& moments) {
        std::unordered_map<std::string, std::int32_t> rows;
        for (std::size_t r = 0; r < earlier_moments_.size(); ++r)
            rows.emplace(earlier_moments_[r], static_cast<std::int32_t>(r));
        std::vector<std::int32_t> before;
        for (const std::string& name : moments.names()) {
            const auto found = rows.find(name);
            before.push_back(found == rows.end() ? -1 : found->second);
        }
        for (Member& member : start_) {
            Transformer& network = member.network;
            const at::Tensor clicks = network.click_moments, asked = network.asked_moments;
            network.begin_moments(moments.rows());
            if (!moments.exists() || !clicks.defined()) continue;
            take_rows(network.click_moments, clicks, before);
            take_rows(network.asked_moments, asked, before);
        }
    }

    /// The turn of a short training that may take one in `of` parts of the time, and is told as a tenth of all.
    static Turn apart(std::int64_t of, Turn& turn) {
        const Turn own{.of = of, .begun = turn.begun, .shown = 1.0 / kShort};
        turn.begun += own.shown;
        return own;
    }

    ShortTraining short_training(const Run& run, const at::Tensor& content, const Moments& moments,
                                 const Turn& turn, std::int64_t most_epochs) {
        Settings settings = settings_;
        settings.epochs = std::min(settings.epochs, most_epochs);
        Random random = random_;  // the same for both
        Member start{Transformer(settings, run.data.items(), random, width_of(content)),
                     at::zeros({run.data.users(), settings.dim}, at::kFloat)};
        start.network.begin_moments(moments.rows());
        TransformerLearner learner(run.data, settings, content, std::move(start), run.workers, moments);
        const Run apart{run.data, run.workers, run.reporter};  // no checkpoint
        Epochs epochs(apart, settings.course(), learner, Random(random.next()), turn);
        epochs.run();
        return {epochs.best_ndcg(), std::max<std::int64_t>(epochs.totals().epochs, 1), learner.best()};
    }

    static constexpr std::int64_t kShort = 10;       // of the time is what the first may take
    static constexpr std::int64_t kShortEpochs = 6;  // enough to tell; the learning rate falls at their end

    Members fresh_start(const Dataset& data, std::int64_t content) {
        Members start(static_cast<std::size_t>(settings_.members));
        for (Member& member : start) {
            member.network = Transformer(settings_, data.items(), random_, content);
            member.users = at::zeros({data.users(), settings_.dim}, at::kFloat);
        }
        return start;
    }

    Settings settings_;
    Random random_;
    const bool decides_epochs_;
    const ContextUse earlier_use_;
    Members start_;
    std::vector<std::string> earlier_moments_;  // names of rows
    Members earlier_;                           // whom a training says again; empty for nobody
    EarlierItems items_;                        // that they know
    double gone_ = 0;                           // share of their users whom the table has no more
    double share_ = 0;                          // labels of theirs for each new one

    static constexpr std::int64_t kEpochsOnNewRows = 10;  // which are few
    static constexpr double kRehearsed = 3;  // where nothing is left of what the earlier model was trained on

    static constexpr double kMostRehearsed = 200000;  // clicks
    static constexpr double kPairsASecond = 1e8;      // clicks by items that are drawn from, on one thread
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
