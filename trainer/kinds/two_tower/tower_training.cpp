#include "kinds/two_tower/tower_training.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "measure/evaluation.hpp"
#include "measure/ranking_metrics.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kValidationShare = 0.1;       // of the arithmetic that may go into validation
constexpr std::int64_t kValidationSteps = 40;  // that lie between two validations at least
constexpr double kNegligible = 0.02;           // of the time: too little to tell whether it will be short
constexpr double kFinalShare = 0.1;            // of the epochs, once more over everything
constexpr float kFresh = 0.02f;                // numbers of a residual that begins

/// Questions ranked for early stopping: fewer where ranking one costs more.
std::size_t validation_limit(const Dataset& data) {
    return std::clamp<std::size_t>(2'500'000'000 / static_cast<std::size_t>(data.items()), 2000, 20000);
}

/// Steps between two validations, so that ranking takes its share of the arithmetic and no more. Counted and
/// not timed, for the same course on every machine.
std::int64_t validation_interval(const TowerMaterial& material, const TowerSettings& settings,
                                 std::size_t questions) {
    const auto dim = static_cast<double>(settings.dim), items = static_cast<double>(material.data.items());
    const auto width = static_cast<double>(material.content.width()),
               batch = static_cast<double>(settings.batch);
    const double query = dim * (5 * dim + 3 * static_cast<double>(settings.hidden));
    const double asked = static_cast<double>(questions);
    const double ranking = 2 * (asked * (items * dim + query) + items * width * dim);
    const double taking_part =
        settings.all_items ? items : std::min(items, batch + static_cast<double>(settings.negatives));
    const double step = 6 * (batch * (taking_part * dim + query) + taking_part * width * dim);
    return std::max(kValidationSteps, static_cast<std::int64_t>(ranking / step / kValidationShare));
}

/// A shard a thread, but none so small that adding up gradients costs more than computing them.
int shards_of(const TowerSettings& settings) {
    return static_cast<int>(std::clamp<std::int64_t>(settings.batch / 256, 1, settings.threads));
}

Tensor index_of(const std::vector<std::int32_t>& rows) { return at::tensor(rows, at::kInt).to(at::kLong); }

Towers copy_of(Towers towers) {
    towers.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    return towers;
}

/// 0 for items whose id is left out this time, of those whose content is known.
Tensor draw_kept(const ContentRows& content, std::int64_t rows, double rate, Random& random) {
    Tensor keep = at::ones({rows, 1});
    for (std::int64_t i = 0; i < rows && content.exist(); ++i) {
        const bool left_out = random.uniform() < rate;
        if (left_out && content.known.data_ptr<float>()[i] > 0) keep.data_ptr<float>()[i] = 0;
    }
    return keep;
}

}  // namespace

TowerTraining::TowerTraining(const TowerMaterial& material, const TowerSettings& settings, TowerPair start,
                             Random random, Workers& workers, Reporter& reporter, Checkpoint& checkpoint)
    : material_(material),
      data_(material.data),
      settings_(settings),
      workers_(workers),
      reporter_(reporter),
      checkpoint_(checkpoint),
      random_(random),
      towers_(std::move(start.towers)),
      optimizer_(towers_.tensors()),
      residuals_(std::move(start.residuals)),
      schedule_(settings),
      validation_questions_(thin_out(data_.questions(HeldOut::Validation), validation_limit(data_))),
      validation_interval_(validation_interval(material, settings, validation_questions_.size())),
      shuffles_(is_order_arbitrary(data_)),
      start_(std::chrono::steady_clock::now()) {
    now_.planned_epochs = settings.epochs;
    look_at(Part::Training);
    if (checkpoint.exists()) resume();
}

/// What a part's interactions are with.
void TowerTraining::look_at(Part part) {
    part_ = part;
    catalogue_ = Catalogue(data_, part);
    if (!settings_.all_items) return;
    all_ = all_items(catalogue_);
    const bool every = std::ssize(all_.rows) == data_.items();
    warm_content_ = every ? material_.content : material_.content.at(index_of(all_.rows));
}

double TowerTraining::seconds() const {
    return now_.seconds + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

/// How much of the limit is used up, the time of what must follow included: the epoch's validation, fit_all.
double TowerTraining::time_share() const {
    const double limit = settings_.max_seconds;
    if (part_ == Part::All) return (seconds() - begun_seconds_) / std::max(limit - begun_seconds_, 1e-3);
    const auto all = static_cast<double>(data_.interactions());
    const auto trained = static_cast<double>(std::max<std::int64_t>(data_.training_interactions(), 1));
    const double fit = settings_.refit ? kFinalShare * all / trained : 0;
    return (now_.step_seconds * fit + seconds() + now_.validation_seconds) / limit;
}

/// How much of the training is over: by epochs or by time, whichever ends it first. Time that is not short
/// does not count, so that the learning rates are the same each time.
double TowerTraining::share_done() const {
    const double epochs = static_cast<double>(now_.epoch - 1 - now_.begun) + epoch_share_;
    const double by_epochs = epochs / static_cast<double>(now_.planned_epochs), by_time = time_share();
    return std::min(1.0, by_time < kNegligible ? by_epochs : std::max(by_epochs, by_time));
}

/// Of the peak learning rate: all of it until the cool-down, then falling to nothing.
double TowerTraining::learning_share() const {
    const double left = 1 - share_done();
    return left < settings_.cool_down ? left / settings_.cool_down : 1;
}

void TowerTraining::run() {
    while (!now_.finished && now_.epoch - now_.begun < now_.planned_epochs) {
        run_epoch();
        const bool last = now_.epoch - now_.begun >= now_.planned_epochs || out_of_time();
        if (!last && schedule_.step() - now_.validated_step < validation_interval_) continue;
        validate();
        if (last || (now_.without_gain >= settings_.patience && !cool_down())) break;
        if (checkpoint_.is_due()) save();
    }
    now_.finished = true;
}

/// Validation no longer improves: goes back to the best weights and plans the end so that the learning rate
/// falls from there. False when that was done already, or is not wanted.
bool TowerTraining::cool_down() {
    if (now_.cooling || settings_.cool_down == 0 || settings_.cool_down == 1) return false;
    now_.cooling = true;
    now_.begun = now_.epoch - now_.best_epoch;
    const double planned = static_cast<double>(now_.best_epoch) / (1 - settings_.cool_down);
    now_.planned_epochs =
        std::min(settings_.epochs - now_.begun, static_cast<std::int64_t>(std::ceil(planned)));
    now_.without_gain = 0;
    start_from(best_);
    return now_.epoch - now_.begun < now_.planned_epochs;
}

/// Goes on from these weights, as if training had just begun.
void TowerTraining::start_from(const TowerPair& weights) {
    towers_ = copy_of(weights.towers);
    optimizer_ = DenseOptimizer(towers_.tensors());
    residuals_ = RowTable(at::empty({0, settings_.dim}, at::kFloat));  // two large tables need not fit
    residuals_ = RowTable(weights.residuals.clone());
    schedule_.restart();
    now_.validated_step = 0;
}

/// Trains the best weights a little further on everything, the held-out items included: what is served then
/// knows them, while the metrics stay those of the model that did not.
void TowerTraining::fit_all() {
    if (!settings_.refit || data_.questions(HeldOut::Test).empty()) return;
    look_at(Part::All);
    best_.residuals = best_.residuals.clone();  // those that were measured stay
    for (const std::int32_t item : catalogue_.warm) {
        const std::span row(best_.residuals.data_ptr<float>() + item * settings_.dim,
                            static_cast<std::size_t>(settings_.dim));
        if (std::ranges::any_of(row, [](float x) { return x != 0; })) continue;
        for (float& x : row) x = kFresh * static_cast<float>(2 * random_.uniform() - 1);
    }
    start_from(best_);
    final_epochs_ =
        std::max<std::int64_t>(1, std::llround(kFinalShare * static_cast<double>(now_.best_epoch)));
    now_.begun = now_.epoch;
    begun_seconds_ = seconds();
    now_.planned_epochs = final_epochs_;
    for (std::int64_t i = 0; i < final_epochs_ && !out_of_time(); ++i) run_epoch();
    best_ = averaged();
}

void TowerTraining::run_epoch() {
    ++now_.epoch;
    const Sequences sequences(data_, part_, shuffles_ ? &random_ : nullptr);
    const std::vector<Window> windows = cut_windows(sequences, settings_.max_len, random_);
    const std::vector<std::size_t> ends = cut_steps(windows, settings_.batch);
    const std::span<const Window> all(windows);
    double total = 0;
    std::size_t done = 0;
    epoch_share_ = 0;
    for (std::size_t step = 0; step < ends.size(); ++step) {
        const double loss = run_step(sequences, all.subspan(done, ends[step] - done));
        done = ends[step];
        total += loss;
        now_.epoch_loss = total / static_cast<double>(step + 1);
        epoch_share_ = static_cast<double>(step + 1) / static_cast<double>(ends.size());
        report(loss);
        if (out_of_time()) return;
    }
}

double TowerTraining::run_step(const Sequences& sequences, std::span<const Window> windows) {
    const double begin = seconds();
    std::vector<Packed> shards =
        pack_shards(sequences, windows, shards_of(settings_), settings_.feature_dropout, random_);
    std::int64_t labels = 0;
    for (const Packed& shard : shards) labels += labels_of(shard, *material_.features);
    if (labels == 0) return now_.epoch_loss;  // nothing new, and of the old nothing was drawn
    const StepItems sampled =
        settings_.all_items ? StepItems() : sampled_items(catalogue_, shards, settings_.negatives, random_);
    const StepItems& items = settings_.all_items ? all_ : sampled;
    std::vector<ItemPart> parts;
    const Tensor table = make_rows(items, parts);
    const TowerInput input{towers_, table, items, *material_.features, settings_};
    std::vector<TowerOutput> outputs(shards.size());
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        if (p < shards.size() && labels_of(shards[p], *material_.features) > 0)
            outputs[p] = compute_tower_shard(input, std::move(shards[p]), 1 / static_cast<double>(labels));
    });
    const double loss = update(items, parts, outputs);
    now_.labels += labels;
    now_.step_seconds += seconds() - begin;
    return loss;
}

/// The item tower over a step's items, a part of them by each worker.
Tensor TowerTraining::make_rows(const StepItems& items, std::vector<ItemPart>& parts) {
    const std::int64_t count = std::ssize(items.rows);
    const Tensor index = index_of(items.rows);
    const ContentRows content = settings_.all_items ? warm_content_ : material_.content.at(index);
    const Tensor keep = draw_kept(content, count, settings_.id_dropout, random_);
    const Tensor residuals = residuals_.weight().index_select(0, index);
    parts.resize(static_cast<std::size_t>(workers_.count()));
    workers_.run([&](int part) {
        const std::int64_t begin = count * part / workers_.count(),
                           end = count * (part + 1) / workers_.count();
        if (begin < end)
            parts[static_cast<std::size_t>(part)] =
                ItemPart(towers_, residuals.narrow(0, begin, end - begin), keep.narrow(0, begin, end - begin),
                         content.part(begin, end));
    });
    std::vector<Tensor> rows;
    for (const ItemPart& part : parts)
        if (part.rows().defined()) rows.push_back(part.rows());
    return at::cat(rows);
}

/// One optimizer step with the sum of all gradients; returns the loss.
double TowerTraining::update(const StepItems& items, const std::vector<ItemPart>& parts,
                             std::vector<TowerOutput>& outputs) {
    double loss = 0;
    std::vector<std::vector<Tensor>> dense;
    Tensor table;
    for (TowerOutput& output : outputs) {
        if (output.dense.empty()) continue;  // a shard without a label
        loss += output.loss;
        dense.push_back(std::move(output.dense));
        if (table.defined())
            table.add_(output.table);
        else
            table = output.table;
    }
    if (!std::isfinite(loss))
        throw Error(sqlstate::kInternal, "training diverged: the loss is not a finite number",
                    "Lower learning_rate or raise temperature.");
    std::vector<std::vector<Tensor>> of_parts(parts.size());
    std::vector<Tensor> residuals(parts.size());
    const std::int64_t count = std::ssize(items.rows);
    workers_.run([&](int part) {
        const auto p = static_cast<std::size_t>(part);
        const std::int64_t begin = count * part / workers_.count(),
                           end = count * (part + 1) / workers_.count();
        if (begin < end) residuals[p] = parts[p].backward(table.narrow(0, begin, end - begin), of_parts[p]);
    });
    std::erase_if(residuals, [](const Tensor& part) { return !part.defined(); });
    for (std::vector<Tensor>& part : of_parts)
        if (!part.empty()) dense.push_back(std::move(part));
    ++now_.steps;
    last_step_ = schedule_.next(part_ == Part::All ? 1 - share_done() : learning_share());
    optimizer_.apply(dense, last_step_, workers_);
    residuals_.apply({items.rows, at::cat(residuals)}, last_step_, schedule_.step(), workers_);
    return loss;
}

TowerPair TowerTraining::averaged() const {
    TowerPair pair{towers_, residuals_.average(schedule_.step(), last_step_.average_rate)};
    std::size_t i = 0;
    pair.towers.for_each(
        [&](const std::string&, Tensor& tensor) { tensor = optimizer_.averages()[i++].clone(); });
    return pair;
}

std::unique_ptr<const Weights> TowerTraining::weights_of(const TowerPair& pair) const {
    return std::make_unique<const TowerWeights>(pair, item_rows_of(pair, material_.content, workers_),
                                                material_.features);
}

std::unique_ptr<const Weights> TowerTraining::best() const { return weights_of(best_); }

/// Ranks the validation items and keeps the weights if they are the best so far.
void TowerTraining::validate() {
    const double begin = seconds();
    now_.validated_step = schedule_.step();
    TowerPair now = averaged();
    const auto poll = [&](double share) {
        reporter_.progress({{"phase", "evaluating"}, {"evaluated", share}, {"epoch", now_.epoch}});
    };
    const nlohmann::json metrics = ranking_metrics(
        rank_held_out(data_, validation_questions_, HeldOut::Validation, *weights_of(now), {}, workers_, poll)
            .ranks);
    now_.validation_seconds = seconds() - begin;
    const double ndcg = validation_questions_.empty() ? 0 : metrics["ndcg@10"].get<double>();
    const bool better = validation_questions_.empty() || ndcg > now_.best_ndcg;
    if (better) {
        best_ = std::move(now);
        now_.best_ndcg = ndcg;
        now_.best_epoch = now_.epoch;
    }
    now_.without_gain = better ? 0 : now_.without_gain + 1;
    reporter_.event("epoch", {{"epoch", now_.epoch},
                              {"step", schedule_.step()},
                              {"loss", now_.epoch_loss},
                              {"metrics", {{"hr@10", metrics["hr@10"]}, {"ndcg@10", metrics["ndcg@10"]}}},
                              {"seconds", seconds()}});
}

void TowerTraining::report(double loss) {
    // What is left may turn out to be more (cool_down, fit_all), but a bar does not go back.
    const double done = reported_ = std::max(reported_, share_done());
    reporter_.progress(
        {{"phase", "training"},
         {"percent", 100 * done},
         {"epoch", now_.epoch},
         {"step", schedule_.step()},
         {"loss", loss},
         {"labels_per_s", static_cast<double>(now_.labels) / std::max(now_.step_seconds, 1e-9)},
         {"eta_seconds", seconds() * (1 - done) / std::max(done, 1e-9)}});
}

nlohmann::json TowerTraining::metrics() const {
    return {{"best_epoch", now_.best_epoch},
            {"final_fit_epochs", final_epochs_},
            {"epochs", now_.epoch - final_epochs_},
            {"steps", now_.steps},
            {"labels", now_.labels},
            {"labels_per_s", static_cast<double>(now_.labels) / std::max(now_.step_seconds, 1e-9)},
            {"train_seconds", seconds()}};
}

/// Every tensor that a checkpoint holds; those of best_ only once there is one.
std::vector<NamedTensor> TowerTraining::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); };
    towers_.for_each(add);
    optimizer_.for_each(add);
    residuals_.for_each("residuals.", add);
    if (now_.best_epoch == 0) return list;
    best_.towers.for_each([&](const std::string& name, Tensor& tensor) { add("best." + name, tensor); });
    add("best.residuals", best_.residuals);
    return list;
}

void TowerTraining::save() {
    TowerStanding standing = now_;
    standing.seconds = seconds();
    standing.step = schedule_.step();
    standing.random = random_.state();
    checkpoint_.write(standing, settings_.to_json(), tensors());
}

void TowerTraining::resume() {
    const std::optional<Checkpoint::Stored> stored = checkpoint_.read(settings_.to_json());
    if (!stored) return reporter_.warning("the checkpoint belongs to another job and is not used");
    now_ = stored->state.get<TowerStanding>();
    random_ = Random(now_.random);
    schedule_.restart(now_.step);
    if (now_.best_epoch > 0) best_ = {copy_of(towers_), residuals_.weight().clone()};
    for (const auto& [name, tensor] : tensors()) tensor.copy_(read_tensor(stored->file, name));
    reporter_.warning("went on after epoch " + std::to_string(now_.epoch) + ", where it was interrupted");
}

}  // namespace seqrec::trainer
