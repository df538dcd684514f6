#include "kinds/transformer/predecessor.hpp"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "clock.hpp"
#include "core/error.hpp"
#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kRehearsed = 3;           // where nothing is left of what the earlier model was trained on
constexpr double kMostRehearsed = 200000;  // clicks
constexpr double kPairsASecond = 1e8;      // clicks by items that are drawn from, on one thread

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

Tensor over(const Tensor& fresh, const Tensor& earlier, const std::vector<std::int32_t>& rows) {
    take_rows(fresh, earlier, rows);
    return fresh;
}

constexpr std::ptrdiff_t kNearby = 2;  // clicks away

/// New items begin where those stand that people clicked beside them, so that a few passes over new rows are enough; one
/// without such neighbours begins anywhere. `rows` [items, dim]; `before`: of each item its row in the earlier model, or -1.
void begin_beside(const Tensor& rows, const std::vector<std::int32_t>& before, const Dataset& data) {
    const std::int64_t dim = rows.size(1);
    const Tensor sums = at::zeros_like(rows);
    std::vector<std::int64_t> counts(before.size());
    const auto is_new = [&](std::int32_t item) { return before[static_cast<std::size_t>(item)] < 0; };
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto clicks = data.training(u);
        for (std::ptrdiff_t i = 0; i < std::ssize(clicks); ++i) {
            const std::int32_t item = clicks[static_cast<std::size_t>(i)];
            if (!is_new(item) || data.is_held_out(item)) continue;
            for (std::ptrdiff_t j = std::max<std::ptrdiff_t>(i - kNearby, 0);
                 j < std::min(i + kNearby + 1, std::ssize(clicks)); ++j) {
                const std::int32_t other = clicks[static_cast<std::size_t>(j)];
                if (is_new(other)) continue;
                kernels::table().axpy(rows.data_ptr<float>() + other * dim,
                                      sums.data_ptr<float>() + item * dim, dim, 1);
                ++counts[static_cast<std::size_t>(item)];
            }
        }
    }
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > 0)
            kernels::table().axpy(sums.data_ptr<float>() + static_cast<std::int64_t>(i) * dim,
                                  rows.data_ptr<float>() + static_cast<std::int64_t>(i) * dim, dim,
                                  1 / static_cast<float>(counts[i]));
}

/// Whether an item of the earlier model stood by its content alone, so that nothing was learned of it.
bool is_fresh(const Member& member, std::int64_t item) {
    return member.own.defined() && member.fresh.defined() && at::equal(member.own[item], member.fresh);
}

/// For each name its row among those of before, or -1.
std::vector<std::int32_t> rows_among(const std::vector<std::string>& before,
                                     const std::vector<std::string>& names) {
    std::unordered_map<std::string, std::int32_t> found;
    for (std::size_t r = 0; r < before.size(); ++r) found.emplace(before[r], static_cast<std::int32_t>(r));
    std::vector<std::int32_t> rows;
    for (const std::string& name : names) {
        const auto at = found.find(name);
        rows.push_back(at == found.end() ? -1 : at->second);
    }
    return rows;
}

ContextUse use_of(const SafetensorsFile& file) {
    return use_named(nlohmann::json::parse(file.meta("config")).value("context_use", "none"));
}

}  // namespace

Predecessor::Predecessor(const EarlierModel& earlier, const Settings& settings, Random& random)
    : settings_(settings),
      moments_(moment_names(earlier.file)),
      use_(use_of(earlier.file)),
      rows_(earlier.items),
      gone_(earlier.gone()) {
    const TransformerWeights weights(earlier.file);
    check_shape(weights.members(), settings);
    const auto items = static_cast<std::int64_t>(earlier.items.size());
    const auto users = static_cast<std::int64_t>(earlier.users.size());
    for (const Member& known : weights.members()) {
        Member member = known;
        member.network.item = over(Transformer(settings, items, random).item,
                                   known.own.defined() ? known.own : known.network.item, earlier.items);
        member.users = at::zeros({users, settings.user_width()});
        if (settings.has_users() && keeps_users(known.users))
            member.users = over(member.users, known.users, earlier.users);
        start_.push_back(std::move(member));
    }
    if (settings.distill < 0 ? gone_ > 0 : settings.distill > 0) remember(earlier, weights.members());
}

void Predecessor::remember(const EarlierModel& earlier, const Members& members) {
    for (const Member& known : members) {
        Member member = known;
        const Tensor none = at::zeros({static_cast<std::int64_t>(earlier.items.size()), settings_.dim});
        member.network.item = over(none, known.network.item, earlier.items);
        member.network.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
        said_.push_back(std::move(member));
    }
    const Tensor popularity = read_tensor(earlier.file, "item.popularity");
    for (std::size_t i = 0; i < earlier.items.size(); ++i) {
        if (earlier.items[i] < 0 || is_fresh(members[0], earlier.items[i])) continue;
        items_.known.push_back(static_cast<std::int32_t>(i));
        items_.popularity.push_back(popularity.data_ptr<float>()[earlier.items[i]]);
    }
}

void Predecessor::check_content(const Tensor& content) const {
    if (!has_content() || (content.defined() && content.size(1) == start_[0].network.projection.size(1)))
        return;
    throw Error(sqlstate::kInvalidParameter,
                "the model to start from knows its items by text or vectors, which are not given",
                "Give the table of items and the columns that it was trained with.");
}

ContextUse Predecessor::context(const Dataset& data) const {
    if (!start_[0].network.click_moments.defined()) return {};
    const ContextUse there = context_of(data);
    return {use_.time && there.time, use_.columns && there.columns};
}

Members Predecessor::start(const Dataset& data, const Moments& moments) {
    if (!has_content())
        for (const Member& member : start_) begin_beside(member.network.item, rows_, data);
    const std::vector<std::int32_t> rows = rows_among(moments_, moments.names());
    for (Member& member : start_) {
        Transformer& network = member.network;
        const Tensor clicks = network.click_moments, asked = network.asked_moments;
        network.begin_moments(moments.rows());
        if (!moments.exists() || !clicks.defined()) continue;
        take_rows(network.click_moments, clicks, rows);
        take_rows(network.asked_moments, asked, rows);
    }
    return std::move(start_);
}

std::optional<Rehearsal> Predecessor::rehearse(const Run& run, Turn& turn) const {
    if (said_.empty() || items_.known.size() < 2) return std::nullopt;
    const double share = settings_.distill < 0 ? kRehearsed * gone_ : settings_.distill;
    if (share == 0) return std::nullopt;
    const double labels = share * static_cast<double>(run.data.training_interactions());
    const double affordable =
        kPairsASecond * settings_.max_seconds / 10 / static_cast<double>(items_.known.size());
    const auto positions =
        static_cast<std::int64_t>(std::clamp(std::min(labels, affordable), 1000.0, kMostRehearsed));
    run.reporter.progress({{"phase", "training"}, {"percent", 100 * turn.begun}});
    const auto begin = std::chrono::steady_clock::now();
    std::optional<Rehearsal> rehearsal(std::in_place, said_, items_, run.data, settings_.temperature, share,
                                       positions, static_cast<std::uint64_t>(settings_.seed), run.workers);
    turn.before.seconds += seconds_since(begin);
    return rehearsal;
}

}  // namespace seqrec::trainer
