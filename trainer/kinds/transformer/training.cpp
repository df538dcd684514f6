#include "kinds/transformer/training.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kValidationShare = 0.1;       // of the arithmetic that may go into validation
constexpr std::int64_t kValidationSteps = 40;  // that lie between two validations at least
constexpr double kNegligible = 0.02;           // of the time: too little to tell whether it will be short

constexpr double kFinalShare = 0.1;  // of the epochs, once more over everything

/// Questions ranked for early stopping: fewer where ranking one costs more.
std::size_t validation_limit(const Dataset& data) {
    return std::clamp<std::size_t>(2'500'000'000 / static_cast<std::size_t>(data.items()), 2000, 20000);
}

std::vector<float> shares(const std::vector<std::int64_t>& counts) {
    const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
    std::vector<float> shares;
    for (const std::int64_t count : counts)
        shares.push_back(static_cast<float>(static_cast<double>(count) / std::max(1.0, total)));
    return shares;
}

/// Multiplications and additions of the matrix products of one step, forward and backward.
double step_flops(const Settings& settings, std::span<const Window> windows, double candidates) {
    const auto dim = static_cast<double>(settings.dim), layers = static_cast<double>(settings.layers);
    double tokens = 0, pairs = 0;
    for (const Window& window : windows) {
        const double length = window.end - window.begin;
        tokens += length;
        pairs += length * length / 2;
    }
    return 6 * tokens * dim * (candidates + 12 * dim * layers) + 12 * pairs * dim * layers;
}

/// Steps between two validations, so that ranking takes its share of the arithmetic and no more. Counted and
/// not timed, for the same course on every machine.
std::int64_t validation_interval(const Dataset& data, const Settings& settings,
                                 const std::vector<Question>& questions) {
    const auto dim = static_cast<double>(settings.dim), items = static_cast<double>(data.items());
    double tokens = 0;
    for (const Question& question : questions)
        tokens += static_cast<double>(std::min<std::int64_t>(
            settings.max_len, static_cast<std::int64_t>(data.sequence(question.user).size())));
    const double per_layer = 12 * dim * dim;
    const double ranking = 2 * (tokens * per_layer * static_cast<double>(settings.layers) +
                                static_cast<double>(questions.size()) * items * dim);
    const double candidates =
        settings.sampled_items > 0 ? static_cast<double>(settings.sampled_items) : items;
    const double step = 6 * static_cast<double>(settings.batch_tokens) *
                        (candidates * dim + per_layer * static_cast<double>(settings.layers));
    return std::max(kValidationSteps, static_cast<std::int64_t>(ranking / step / kValidationShare));
}

/// A shard a thread, but none so small that adding up gradients costs more than computing them.
int shards_of(const Settings& settings) {
    if (settings.device != "cpu") return 1;
    return static_cast<int>(std::clamp<std::int64_t>(settings.batch_tokens / 256, 1, settings.threads));
}

/// The dense optimizer leaves the item matrix alone when it is updated by rows.
std::vector<Tensor> dense_weights(Transformer& model, bool sampled) {
    std::vector<Tensor> weights = model.tensors();
    if (sampled) weights[0] = Tensor();
    return weights;
}

}  // namespace

Training::Training(const Dataset& data, const Settings& settings, Tensor content, Member start, Random random,
                   Turn turn, Workers& workers, Reporter& reporter, Checkpoint& checkpoint)
    : data_(data),
      settings_(settings),
      turn_(turn),
      workers_(workers),
      reporter_(reporter),
      checkpoint_(checkpoint),
      random_(random),
      model_(std::move(start.network)),
      optimizer_(dense_weights(model_, settings.sampled_items > 0)),
      users_(std::move(start.users)),
      content_{std::move(content)},
      shuffles_(is_order_arbitrary(data)),
      schedule_(settings),
      validation_questions_(thin_out(data.questions(HeldOut::Validation), validation_limit(data))),
      validation_interval_(validation_interval(data, settings, validation_questions_)),
      start_(std::chrono::steady_clock::now()) {
    now_.planned_epochs = settings.epochs;
    train_on(Part::Training);
    if (settings.sampled_items > 0) items_.emplace(model_.item);
    if (checkpoint.exists()) resume();
}

void Training::train_on(Part part) {
    part_ = part;
    const std::vector<std::int64_t> counts = Sequences(data_, part, nullptr).counts(data_.items());
    label_share_ = shares(counts);
    content_ = content_of(content_.rows, data_, part);
}

/// With the items' rows as they are served, of their own and of content.
Member Training::whole(Member member) const {
    if (!content_.exists()) return member;
    member.own = member.network.item;
    Tensor keep = at::ones({member.own.size(0)});
    for (std::size_t i = 0; i < content_.trained.size(); ++i)
        if (content_.described[i] && !content_.trained[i]) keep.data_ptr<float>()[i] = 0;
    const at::NoGradGuard no_gradients;
    member.own = member.own * keep.unsqueeze(1);
    member.network.item = member.network.rows(content_.rows, keep, false);
    return member;
}

/// Of this turn, those before an interruption included.
double Training::seconds() const {
    return now_.seconds + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

/// How much of the limit is used up, the time of what must follow included: the epoch's validation, two of
/// choose_user_scale, fit_all.
double Training::time_share() const {
    // An equal share of what the turns before have left.
    const double left = std::max(settings_.max_seconds - turn_.seconds_before, 1e-3);
    const double limit = left / static_cast<double>(turn_.of - turn_.number);
    if (part_ == Part::All) return (seconds() - begun_seconds_) / std::max(limit - begun_seconds_, 1e-3);
    const auto all = static_cast<double>(data_.interactions());
    const auto trained = static_cast<double>(data_.training_interactions());
    const double fit = settings_.refit ? kFinalShare * all / trained : 0;
    return (now_.step_seconds * fit + seconds() + 3 * now_.validation_seconds) / limit;
}

/// How much of the training is over: by epochs or by time, whichever ends it first. Time that is not short
/// does not count, so that the learning rates are the same each time.
double Training::share_done() const {
    const double epochs = static_cast<double>(now_.epoch - 1 - now_.begun) + epoch_share_;
    const double by_epochs = epochs / static_cast<double>(now_.planned_epochs), by_time = time_share();
    return std::min(1.0, by_time < kNegligible ? by_epochs : std::max(by_epochs, by_time));
}

/// Of the peak learning rate: all of it until the cool-down, then falling to nothing.
double Training::learning_share() const {
    const double left = 1 - share_done();
    return left < settings_.cool_down ? left / settings_.cool_down : 1;
}

void Training::run() {
    while (!now_.finished && now_.epoch - now_.begun < now_.planned_epochs) {
        run_epoch();
        const bool last = now_.epoch - now_.begun >= now_.planned_epochs || out_of_time();
        if (!last && schedule_.step() - now_.validated_step < validation_interval_) continue;
        validate();
        if (last || (now_.without_gain >= settings_.patience && !cool_down())) break;
        if (checkpoint_.is_due()) save();
    }
    now_.finished = true;
    if (turn_.of > 1 && checkpoint_.is_wanted()) save();
    choose_user_scale();
}

/// Validation no longer improves: goes back to the best weights and plans the end so that the learning rate
/// falls from there. False when that was done already, or is not wanted.
bool Training::cool_down() {
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
void Training::start_from(const Member& weights) {
    model_ = weights.network;
    if (weights.own.defined()) model_.item = weights.own;
    model_.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    optimizer_ = DenseOptimizer(dense_weights(model_, items_.has_value()));
    if (items_) items_.emplace(model_.item);
    users_ = RowTable(at::empty({0, settings_.dim}, at::kFloat));  // two large tables at once need not fit
    users_ = RowTable(weights.users.clone());
    schedule_.restart();
    now_.validated_step = 0;
}

/// Trains the best weights a little further on everything, the held-out items included: what is served then
/// knows them, while the metrics stay those of the model that did not.
void Training::fit_all() {
    if (!settings_.refit || data_.questions(HeldOut::Test).empty()) return;
    train_on(Part::All);
    start_from({best_.network, best_users_, best_.own});
    final_epochs_ =
        std::max<std::int64_t>(1, std::llround(kFinalShare * static_cast<double>(now_.best_epoch)));
    now_.begun = now_.epoch;
    begun_seconds_ = seconds();
    now_.planned_epochs = final_epochs_;
    for (std::int64_t i = 0; i < final_epochs_ && !out_of_time(); ++i) run_epoch();
    best_ = averaged();
    best_.users = best_.users * user_scale_;
}

void Training::run_epoch() {
    ++now_.epoch;
    const Sequences sequences(data_, part_, shuffles_ ? &random_ : nullptr);
    const std::vector<Window> windows = cut_windows(sequences, settings_.max_len, random_);
    const std::vector<std::size_t> ends = cut_steps(windows, settings_.batch_tokens);
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

double Training::run_step(const Sequences& sequences, std::span<const Window> windows) {
    const double begin = seconds();
    std::vector<Packed> shards =
        pack_shards(sequences, windows, shards_of(settings_), settings_.user_dropout, random_);
    std::int64_t labels = 0;
    for (const Packed& shard : shards) labels += static_cast<std::int64_t>(shard.labels.size());
    if (labels == 0) return now_.epoch_loss;  // nothing new, and of the old nothing was drawn
    const ShardInput input{model_, users_, settings_, label_share_, settings_.sampled_items, content_};
    std::vector<ShardOutput> outputs(shards.size());
    workers_.run([&](int part) {
        if (part < static_cast<int>(shards.size()) && !shards[part].labels.empty())
            outputs[part] = compute_shard(input, std::move(shards[part]), 1 / static_cast<double>(labels));
    });
    const double candidates = static_cast<double>(items_ ? outputs[0].items.rows.size() : data_.items());
    const double loss = update(outputs);
    now_.labels += labels;
    now_.flops += step_flops(settings_, windows, candidates);
    now_.step_seconds += seconds() - begin;
    return loss;
}

/// One optimizer step with the sum of the shards' gradients; returns the loss.
double Training::update(std::vector<ShardOutput>& outputs) {
    double loss = 0;
    std::vector<std::vector<Tensor>> dense;
    std::vector<RowGradient> items, users;
    for (ShardOutput& output : outputs) {
        if (output.dense.empty()) continue;  // a shard without a window
        loss += output.loss;
        dense.push_back(std::move(output.dense));
        users.push_back(std::move(output.users));
        if (items_) items.push_back(std::move(output.items));
    }
    if (!std::isfinite(loss))
        throw Error(sqlstate::kInternal, "training diverged: the loss is not a finite number",
                    "Lower learning_rate or raise temperature.");
    ++now_.steps;
    last_step_ = schedule_.next(part_ == Part::All ? 1 - share_done() : learning_share());
    optimizer_.apply(dense, last_step_, workers_);
    users_.apply(merge(users, settings_.dim), last_step_, schedule_.step(), workers_);
    if (items_) items_->apply(merge(items, settings_.dim), last_step_, schedule_.step(), workers_);
    return loss;
}

Member Training::averaged() {
    Member member{model_, users_.average(schedule_.step(), last_step_.average_rate)};
    std::size_t i = 0;
    member.network.for_each([&](const std::string&, Tensor& tensor) {
        const Tensor& average = optimizer_.averages()[i++];
        tensor =
            average.defined() ? average.clone() : items_->average(schedule_.step(), last_step_.average_rate);
    });
    return whole(std::move(member));
}

nlohmann::json Training::validation_metrics(const Member& member) {
    const auto poll = [&](double share) {
        reporter_.progress(
            {{"phase", "evaluating"}, {"evaluated", share}, {"epoch", turn_.epochs_before + now_.epoch}});
    };
    // Where repeats are kept they are ranked as they will be: else what stands first is what was clicked just now.
    const TransformerWeights weights({member});
    const Shifts shifts = fit_shifts(data_, validation_questions_, weights, workers_, poll);
    return ranking_metrics(
        rank_held_out(data_, validation_questions_, HeldOut::Validation, weights, shifts, workers_, poll)
            .ranks);
}

/// Shortens the users' vectors, or drops them, when the validation items rank better so: the long-term
/// interest must not hurt.
void Training::choose_user_scale() {
    best_users_ = best_.users;
    if (validation_questions_.empty()) return;
    for (const double scale : {0.0, 0.5}) {
        const Member trial{best_.network, best_users_ * scale, best_.own};
        const nlohmann::json metrics = validation_metrics(trial);
        if (scale == 0) clicks_only_ = metrics["ndcg@10"];
        if (metrics["ndcg@10"].get<double>() <= now_.best_ndcg) continue;
        now_.best_ndcg = metrics["ndcg@10"];
        now_.best_metrics = metrics;
        best_.users = trial.users;
        user_scale_ = scale;
    }
}

/// Ranks the validation items and keeps the weights if they are the best so far.
void Training::validate() {
    const double begin = seconds();
    now_.validated_step = schedule_.step();
    Member now = averaged();
    const nlohmann::json metrics = validation_metrics(now);
    now_.validation_seconds = seconds() - begin;
    const double ndcg = validation_questions_.empty() ? 0 : metrics["ndcg@10"].get<double>();
    const bool better = validation_questions_.empty() || ndcg > now_.best_ndcg;
    if (better) {
        best_ = std::move(now);
        now_.best_ndcg = ndcg;
        now_.best_epoch = now_.epoch;
        now_.best_metrics = metrics;
    }
    now_.without_gain = better ? 0 : now_.without_gain + 1;
    reporter_.event("epoch", {{"epoch", turn_.epochs_before + now_.epoch},
                              {"step", schedule_.step()},
                              {"loss", now_.epoch_loss},
                              {"metrics", {{"hr@10", metrics["hr@10"]}, {"ndcg@10", metrics["ndcg@10"]}}},
                              {"seconds", turn_.seconds_before + seconds()}});
}

void Training::report(double loss) {
    // What is left may turn out to be more (cool_down, fit_all), but a bar does not go back.
    const double done = reported_ = std::max(
        reported_, turn_.begun + (1 - turn_.begun) * (static_cast<double>(turn_.number) + share_done()) /
                                     static_cast<double>(turn_.of));
    const double spent = turn_.seconds_before + seconds();
    reporter_.progress(
        {{"phase", "training"},
         {"percent", 100 * done},
         {"epoch", turn_.epochs_before + now_.epoch},
         {"step", schedule_.step()},
         {"loss", loss},
         {"labels_per_s", static_cast<double>(now_.labels) / std::max(now_.step_seconds, 1e-9)},
         {"eta_seconds", spent * (1 - done) / std::max(done, 1e-9)}});
}

nlohmann::json Training::metrics(const nlohmann::json& before) const {
    const auto with_before = [&](const char* name, auto own) {
        return before.value(name, decltype(own){}) + own;
    };
    const double steps_took = with_before("step_seconds", now_.step_seconds);
    nlohmann::json metrics = {{"best_epoch", turn_.epochs_before + now_.best_epoch},
                              {"final_fit_epochs", with_before("final_fit_epochs", final_epochs_)},
                              {"epochs", with_before("epochs", now_.epoch - final_epochs_)},
                              {"steps", with_before("steps", now_.steps)},
                              {"labels", with_before("labels", now_.labels)},
                              {"flops", with_before("flops", now_.flops)},
                              {"step_seconds", steps_took},
                              {"train_seconds", turn_.seconds_before + seconds()},
                              {"user_scale", user_scale_},
                              {"valid_ndcg@10_clicks_only", clicks_only_}};
    metrics["labels_per_s"] = metrics["labels"].get<double>() / steps_took;
    metrics["gflops"] = metrics["flops"].get<double>() / steps_took / 1e9;
    return metrics;
}

/// Every tensor that a checkpoint holds; those of best_ only once there is one.
std::vector<NamedTensor> Training::tensors() {
    std::vector<NamedTensor> list;
    const auto add = [&](const std::string& name, Tensor& tensor) { list.push_back({name, tensor}); };
    model_.for_each(add);
    optimizer_.for_each(add);
    users_.for_each("users.", add);
    if (items_) items_->for_each("items.", add);
    if (now_.best_epoch == 0) return list;
    best_.network.for_each([&](const std::string& name, Tensor& tensor) { add("best." + name, tensor); });
    add("best.users", best_.users);
    if (best_.own.defined()) add("best.own", best_.own);
    return list;
}

void Training::save() {
    Standing standing = now_;
    standing.seconds = seconds();
    standing.step = schedule_.step();
    standing.random = random_.state();
    checkpoint_.write(standing, settings_.to_json(), tensors());
}

void Training::resume() {
    const std::optional<Checkpoint::Stored> stored = checkpoint_.read(settings_.to_json());
    if (!stored) return reporter_.warning("the checkpoint belongs to another job and is not used");
    now_ = stored->state.get<Standing>();
    random_ = Random(now_.random);
    schedule_.restart(now_.step);
    if (now_.best_epoch > 0) {
        best_ = {model_, users_.weight().clone(), content_.exists() ? model_.item.clone() : Tensor()};
        best_.network.for_each([](const std::string&, Tensor& tensor) { tensor = at::empty_like(tensor); });
    }
    for (const auto& [name, tensor] : tensors()) tensor.copy_(read_tensor(stored->file, name));
    reporter_.warning("went on after epoch " + std::to_string(now_.epoch) + ", where it was interrupted");
}

}  // namespace seqrec::trainer
