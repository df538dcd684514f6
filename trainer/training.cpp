#include "training.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "loss.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::size_t kValidationUsers = 20000;  // ranked for early stopping

std::vector<Tensor> all_weights(Transformer& model) {
    std::vector<Tensor> weights;
    model.for_each([&](const std::string&, Tensor& tensor) { weights.push_back(tensor); });
    return weights;
}

/// Every n-th user, so that at most `limit` are left.
std::vector<std::int32_t> thin_out(const std::vector<std::int32_t>& users, std::size_t limit) {
    const std::size_t stride = (users.size() + limit - 1) / limit;
    if (stride <= 1) return users;
    std::vector<std::int32_t> chosen;
    for (std::size_t i = 0; i < users.size(); i += stride) chosen.push_back(users[i]);
    return chosen;
}

/// The model with its own leaf tensors over the same memory, so that shards don't share autograd state.
Transformer leaves_of(const Transformer& model) {
    Transformer copy = model;
    copy.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.detach().requires_grad_(); });
    return copy;
}

struct ShardResult {
    double loss = 0;
    std::vector<Tensor> gradients;
    std::vector<std::int32_t> users;  // whose gradient `user_gradient` holds, a row each
    Tensor user_gradient;
};

/// The users of a shard without repetition, and the row of each sequence's user among them.
std::vector<std::int32_t> rows_of_users(const Packed& batch, std::vector<std::int32_t>& distinct) {
    std::vector<std::int32_t> rows;
    for (const std::int32_t user : batch.users)
        if (user >= 0) distinct.push_back(user);
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (const std::int32_t user : batch.users) {
        const auto at = std::lower_bound(distinct.begin(), distinct.end(), user);
        rows.push_back(user < 0 ? -1 : static_cast<std::int32_t>(at - distinct.begin()));
    }
    return rows;
}

ShardResult train_shard(const Transformer& shared, const RowTable& users, const Settings& settings,
                        const Batch& batch, double label_weight) {
    ShardResult result;
    Transformer model = leaves_of(shared);
    std::vector<Tensor> inputs = all_weights(model);
    if (batch->tokens() == 0) {
        for (const Tensor& input : inputs) result.gradients.push_back(at::zeros_like(input));
        return result;
    }
    const std::vector<std::int32_t> rows = rows_of_users(*batch, result.users);
    const Tensor user_rows = users.gather(result.users).requires_grad_();
    const Tensor hidden = model.forward(batch, {static_cast<float>(settings.dropout), batch->seed});
    const Tensor wanted = unit_rows(add_rows(hidden, user_rows, batch, rows));
    const Tensor loss =
        softmax_loss(wanted, unit_rows(model.item), batch->labels, 1 / settings.temperature, label_weight);
    inputs.push_back(user_rows);
    result.gradients = torch::autograd::grad({loss}, inputs);
    result.user_gradient = result.gradients.back();
    result.gradients.pop_back();
    result.loss = loss.item<double>();
    return result;
}

}  // namespace

Training::Training(const Dataset& data, const Settings& settings, Workers& workers, Reporter& reporter)
    : data_(data),
      settings_(settings),
      workers_(workers),
      reporter_(reporter),
      random_(static_cast<std::uint64_t>(settings.seed)),
      model_(settings, data.items(), random_),
      weights_(all_weights(model_)),
      optimizer_(weights_),
      users_(data.users(), settings.dim),
      schedule_(settings),
      validation_users_(thin_out(data.evaluated(), kValidationUsers)),
      start_(std::chrono::steady_clock::now()) {}

double Training::seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

/// Leaves the time of one more validation inside the limit.
bool Training::out_of_time() const { return seconds() + validation_seconds_ >= settings_.max_seconds; }

void Training::run() {
    while (epoch_ < settings_.epochs) {
        run_epoch();
        if (!validate() || out_of_time()) break;
    }
}

void Training::run_epoch() {
    ++epoch_;
    const std::vector<Window> windows = cut_windows(data_, settings_.max_len, random_);
    const std::vector<std::size_t> ends = cut_steps(windows, settings_.batch_tokens);
    const std::span<const Window> all(windows);
    double total = 0;
    std::size_t done = 0;
    for (std::size_t step = 0; step < ends.size(); ++step) {
        const double loss = run_step(all.subspan(done, ends[step] - done));
        done = ends[step];
        total += loss;
        epoch_loss_ = total / static_cast<double>(step + 1);
        report(static_cast<double>(step + 1) / static_cast<double>(ends.size()), loss);
        if (out_of_time()) return;
    }
}

double Training::run_step(std::span<const Window> windows) {
    std::int64_t labels = 0;
    for (const Window& window : windows) labels += window.end - window.begin;
    std::vector<Packed> shards =
        pack_shards(data_, windows, workers_.count(), settings_.user_dropout, random_);
    std::vector<ShardResult> results(shards.size());
    workers_.run([&](int part) {
        const auto batch = std::make_shared<const Packed>(std::move(shards[part]));
        results[part] = train_shard(model_, users_, settings_, batch, 1 / static_cast<double>(labels));
    });
    double loss = 0;
    std::vector<std::vector<Tensor>> gradients;
    for (ShardResult& result : results) {
        loss += result.loss;
        gradients.push_back(std::move(result.gradients));
    }
    if (!std::isfinite(loss))
        throw Error(sqlstate::kInternal, "training diverged: the loss is not a finite number",
                    "Lower learning_rate or raise temperature.");
    last_step_ = schedule_.next();
    optimizer_.apply(gradients, last_step_, workers_);
    for (const ShardResult& result : results)
        if (!result.users.empty())
            users_.apply(result.users, result.user_gradient, last_step_, schedule_.step());
    labels_ += labels;
    return loss;
}

Snapshot Training::averaged() {
    Snapshot snapshot{model_, users_.average(schedule_.step(), last_step_.average_rate)};
    std::size_t i = 0;
    snapshot.model.for_each(
        [&](const std::string&, Tensor& tensor) { tensor = optimizer_.averages()[i++].clone(); });
    return snapshot;
}

/// Ranks the validation items; false when training should stop.
bool Training::validate() {
    const double begin = seconds();
    Snapshot now = averaged();
    const Ranking ranking =
        rank_held_out(data_, validation_users_, HeldOut::Validation, now, workers_, [&](double share) {
            reporter_.progress({{"phase", "evaluating"}, {"percent", 100 * share}, {"epoch", epoch_}});
        });
    const nlohmann::json metrics = ranking_metrics(ranking.ranks);
    validation_seconds_ = seconds() - begin;
    const double ndcg = ranking.ranks.empty() ? 0 : metrics["ndcg@10"].get<double>();
    const bool better = ranking.ranks.empty() || ndcg > best_ndcg_;
    if (better) {
        best_ = std::move(now);
        best_ndcg_ = ndcg;
        best_epoch_ = epoch_;
        best_metrics_ = metrics;
    }
    without_gain_ = better ? 0 : without_gain_ + 1;
    reporter_.event("epoch", {{"epoch", epoch_},
                              {"step", schedule_.step()},
                              {"loss", epoch_loss_},
                              {"metrics", {{"hr@10", metrics["hr@10"]}, {"ndcg@10", metrics["ndcg@10"]}}},
                              {"seconds", seconds()}});
    return without_gain_ < settings_.patience;
}

/// How much of the training is over: by epochs or by time, whichever ends it first.
double Training::share_done(double epoch_share) const {
    const double by_epochs =
        (static_cast<double>(epoch_ - 1) + epoch_share) / static_cast<double>(settings_.epochs);
    return std::min(1.0, std::max(by_epochs, seconds() / settings_.max_seconds));
}

void Training::report(double epoch_share, double loss) {
    const double done = share_done(epoch_share), spent = seconds();
    reporter_.progress({{"phase", "training"},
                        {"percent", 100 * done},
                        {"epoch", epoch_},
                        {"step", schedule_.step()},
                        {"loss", loss},
                        {"labels_per_s", static_cast<double>(labels_) / spent},
                        {"eta_seconds", spent * (1 - done) / std::max(done, 1e-9)}});
}

nlohmann::json Training::metrics() const {
    const double spent = seconds();
    nlohmann::json metrics = {{"best_epoch", best_epoch_},
                              {"epochs", epoch_},
                              {"steps", schedule_.step()},
                              {"labels", labels_},
                              {"labels_per_s", static_cast<double>(labels_) / spent},
                              {"train_seconds", spent}};
    for (const char* name : {"hr@10", "ndcg@10"})
        metrics[std::string("valid_") + name] = best_metrics_.value(name, nlohmann::json());
    return metrics;
}

}  // namespace seqrec::trainer
