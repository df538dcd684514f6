#include "kinds/transformer/transformer_model.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "core/kinds/transformer.hpp"
#include "kinds/shared/choices.hpp"
#include "kinds/transformer/new_items.hpp"
#include "kinds/transformer/plan.hpp"
#include "kinds/transformer/predecessor.hpp"
#include "kinds/transformer/students.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::int64_t kEpochsOnNewRows = 10;  // which are few

bool is_open(const json& options, const char* name) { return value_or(options, name, json()).is_null(); }

/// What a training says of itself; what is said later counts.
struct Account {
    json config = json::object(), metrics = json::object();

    void add(const json& more_config, const json& more_metrics) {
        if (!more_config.is_null()) config.update(more_config);
        if (!more_metrics.is_null()) metrics.update(more_metrics);
    }
};

/// Networks trained one after the other, and such as learn from them.
class TransformerModel final : public Model {
  public:
    TransformerModel(const json& options, const Dataset& data, const json& earlier)
        : settings_(options, data, earlier),
          random_(static_cast<std::uint64_t>(settings_.seed)),
          decides_epochs_(is_open(options, "epochs")),
          open_{earlier.is_null() && is_open(options, "members"),
                earlier.is_null() && is_open(options, "students"),
                earlier.is_null() && is_open(options, "sampled_items")} {}

    void start_from(const EarlierModel& earlier) override {
        before_.emplace(earlier, settings_, random_);
        if (decides_epochs_ && settings_.distill != 0 && before_->gone() > 0.5)
            settings_.epochs = std::max(settings_.epochs, kEpochsOnNewRows);
    }

    Trained train(const Run& run) override {
        const at::Tensor known = run.content ? run.content->rows() : at::Tensor();
        if (before_) before_->check_content(known);
        const Plan plan = make_plan(run, settings_, open_, random_, known, before_);
        const at::Tensor content = plan.trains_content ? known : at::Tensor();
        const Moments moments(run.data, plan.context);
        Members start = before_ ? before_->start(run.data, moments)
                                : fresh_start(run.data, content, moments, plan.members);
        Turn turn{.of = plan.members + plan.students, .begun = plan.shown};
        turn.before.seconds = plan.seconds;
        const std::optional<Rehearsal> rehearsal = before_ ? before_->rehearse(run, turn) : std::nullopt;
        EpochSettings course = settings_.course();
        course.options["plan"] = plan.to_json();
        Curriculum curriculum{run, settings_, course, content, moments, rehearsal ? &*rehearsal : nullptr};
        Account account{settings_.to_json()};
        Networks networks = train_all(curriculum, plan, std::move(start), turn, account);
        account.add({}, plan.metrics);
        if (known.defined()) {
            const NewItems decided = settle_new_items(
                run, settings_, known, rehearsal ? rehearsal->said() : std::span<const std::int32_t>(),
                plan.trains_content, networks.measured, networks.served);
            account.add(decided.config, decided.metrics);
        }
        if (rehearsal)
            account.add({{"distill", rehearsal->share()}}, {{"distill_clicks", rehearsal->positions()}});
        const std::vector<NamedTensor> names = tell_moments(run, moments, networks.measured, account);
        return {std::make_unique<const TransformerWeights>(std::move(networks.measured), names),
                std::make_unique<const TransformerWeights>(std::move(networks.served), names),
                std::move(account.metrics), std::move(account.config)};
    }

  private:
    /// The members, and then the students that learn from them, where there are any, in their place.
    Networks train_all(Curriculum& curriculum, const Plan& plan, Members start, Turn& turn,
                       Account& account) {
        Networks networks = train_each(curriculum, std::move(start), turn, random_);
        json teaching = json::object();
        if (plan.students > 0) {
            Graduation graduation =
                teach(curriculum, networks,
                      fresh_start(curriculum.run.data, curriculum.content, curriculum.moments, plan.students),
                      turn, random_);
            networks = std::move(graduation.served);
            account.add(graduation.config, {});
            teaching = std::move(graduation.metrics);
        }
        account.add({{"trained_epochs", turn.before.epochs / turn.of}}, turn.before.to_json());  // of all
        account.add({}, networks.metrics);  // what is served says its own
        account.add({}, teaching);
        return networks;
    }

    /// What the config, the metrics and the model file say of moments.
    static std::vector<NamedTensor> tell_moments(const Run& run, const Moments& moments,
                                                 const Members& measured, Account& account) {
        account.add({{"context_use", moments.use().name()}}, {});
        if (!moments.exists()) return {};
        account.add(moments.config(),
                    {{"context_test_ndcg@10", context_test(run, TransformerWeights(measured), moments)}});
        return moments.tensors();
    }

    Members fresh_start(const Dataset& data, const at::Tensor& content, const Moments& moments,
                        std::int64_t count) {
        Members start(static_cast<std::size_t>(count));
        for (Member& member : start) {
            member.network =
                Transformer(settings_, data.items(), random_, content.defined() ? content.size(1) : 0);
            member.network.begin_moments(moments.rows());
            member.users = at::zeros({data.users(), settings_.user_width()}, at::kFloat);
        }
        return start;
    }

    Settings settings_;
    Random random_;
    const bool decides_epochs_;
    const Open open_;
    std::optional<Predecessor> before_;  // refers to settings_
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
