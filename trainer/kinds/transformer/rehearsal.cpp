#include "kinds/transformer/rehearsal.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kTogether = 64;  // sequences that are gone on with at a time
constexpr std::size_t kCoherent =
    3;  // of so many draws the likeliest is clicked: people stray less than a softmax
constexpr double kLeastPopular = 0.05;  // of the mean popularity: what an item counts at least as a beginning

/// Draws places in proportion to weights of which it is given the running sums.
std::int64_t draw(std::span<const float> sums, Random& random) {
    const auto at = static_cast<float>(random.uniform() * sums.back());
    const auto place = std::upper_bound(sums.begin(), sums.end(), at) - sums.begin();
    return std::min<std::int64_t>(place, static_cast<std::int64_t>(sums.size()) - 1);
}

float weight_at(std::span<const float> sums, std::int64_t place) {
    const auto at = static_cast<std::size_t>(place);
    return at == 0 ? sums[0] : sums[at] - sums[at - 1];
}

std::vector<float> running_sums(std::vector<float> weights) {
    double sum = 0;
    for (float& weight : weights) weight = static_cast<float>(sum += weight);
    return weights;
}

/// What a sequence may begin with: popular items often, every known one sometimes.
std::vector<float> beginnings(const std::vector<float>& popularity) {
    std::vector<float> weights = popularity;
    const double mean =
        std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
    for (float& weight : weights)
        weight = std::max(weight, static_cast<float>(mean > 0 ? kLeastPopular * mean : 1));
    return running_sums(std::move(weights));
}

/// An earlier model that says what follows.
class Teller {
  public:
    Teller(const Members& earlier, const EarlierItems& items, double temperature, bool repeats)
        : weights_(earlier), items_(items), scale_(static_cast<float>(1 / temperature)), repeats_(repeats) {
        const at::NoGradGuard no_gradients;
        Tensor known = at::empty({static_cast<std::int64_t>(items.known.size())}, at::kLong);
        std::copy(items.known.begin(), items.known.end(), known.data_ptr<std::int64_t>());
        rows_ = weights_.item_rows().index_select(0, known).contiguous();
    }

    /// The running sums of the softmax after each history, [histories, known items].
    Tensor after(const Histories& histories) const {
        const at::NoGradGuard no_gradients;
        const auto count = static_cast<std::int64_t>(histories.size()), dim = rows_.size(1);
        const Tensor queries = weights_.encode(histories, std::vector<std::int32_t>(histories.size(), -1));
        Tensor sums = at::empty({count, rows_.size(0)});
        k().gemm({count, rows_.size(0), dim, queries.data_ptr<float>(), dim, 1, rows_.data_ptr<float>(), 1,
                  dim, sums.data_ptr<float>(), rows_.size(0), scale_});
        sums.sub_(scale_).exp_();
        for (std::int64_t h = 0; h < count; ++h)
            add_up(histories[static_cast<std::size_t>(h)], sums.data_ptr<float>() + h * sums.size(1));
        return sums;
    }

  private:
    void add_up(std::span<const std::int32_t> history, float* weights) const {
        for (const std::int32_t item : repeats_ ? history.first(0) : history)
            weights[std::ranges::lower_bound(items_.known, item) - items_.known.begin()] = 0;
        double sum = 0;
        for (std::int64_t i = 0; i < rows_.size(0); ++i) weights[i] = static_cast<float>(sum += weights[i]);
    }

    TransformerWeights weights_;
    const EarlierItems& items_;
    float scale_;
    bool repeats_;
    Tensor rows_;  // of the known items
};

}  // namespace

Rehearsal::Rehearsal(const Members& earlier, EarlierItems earlier_items, const Dataset& data,
                     double temperature, double share, std::int64_t positions, std::uint64_t seed,
                     Workers& workers)
    : told_(std::move(earlier_items)), share_(share) {
    const EarlierItems& items = told_;
    Random random(seed);
    choose_lengths(data, static_cast<std::size_t>(earlier[0].network.position.size(0)), positions, random);
    items_.resize(static_cast<std::size_t>(offsets_.back()));
    drawn_.resize(items_.size() * kDrawn);
    const std::vector<float> begin = beginnings(items.popularity);
    const Teller teller(earlier, items, temperature, data.keeps_repeats());
    std::vector<Random> own;
    for (std::int64_t s = 0; s < sequences(); ++s) {
        own.emplace_back(random.next());
        items_[static_cast<std::size_t>(offsets_[static_cast<std::size_t>(s)])] =
            items.known[static_cast<std::size_t>(draw(begin, own.back()))];
    }
    const auto go_on = [&](std::int64_t first,
                           std::int64_t last) {  // longest first: those after an end are over
        for (std::int64_t place = 0, going = last; going > first; ++place) {
            const auto length = [&](std::int64_t s) { return static_cast<std::int64_t>(of(s).size()); };
            while (going > first && length(going - 1) <= place) --going;
            if (going == first) return;
            Histories histories;
            for (std::int64_t s = first; s < going; ++s)
                histories.push_back(of(s).first(static_cast<std::size_t>(place + 1)));
            const Tensor sums = teller.after(histories);
            for (std::int64_t s = first; s < going; ++s) {
                const auto at = static_cast<std::size_t>(offsets_[static_cast<std::size_t>(s)] + place);
                const std::span<const float> row(sums.data_ptr<float>() + (s - first) * sums.size(1),
                                                 items.known.size());
                std::int64_t next = -1;
                for (std::size_t d = 0; d < kDrawn; ++d) {
                    const std::int64_t drawn = draw(row, own[static_cast<std::size_t>(s)]);
                    drawn_[at * kDrawn + d] = items.known[static_cast<std::size_t>(drawn)];
                    if (d < kCoherent && (next < 0 || weight_at(row, drawn) > weight_at(row, next)))
                        next = drawn;
                }
                if (place + 1 < length(s)) items_[at + 1] = items.known[static_cast<std::size_t>(next)];
            }
        }
    };
    const std::int64_t groups = (sequences() + kTogether - 1) / kTogether;
    workers.split(groups, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t g = first; g < last; ++g)
            go_on(g * kTogether, std::min((g + 1) * kTogether, sequences()));
    });
}

std::span<const std::int32_t> Rehearsal::of(std::int64_t sequence) const {
    const auto s = static_cast<std::size_t>(sequence);
    return {items_.data() + offsets_[s], static_cast<std::size_t>(offsets_[s + 1] - offsets_[s])};
}

std::span<const std::int32_t> Rehearsal::drawn(std::int64_t position) const {
    return {drawn_.data() + position * kDrawn, static_cast<std::size_t>(kDrawn)};
}

/// As many clicks as users of the data drawn at random have before their last; the longest first.
void Rehearsal::choose_lengths(const Dataset& data, std::size_t most, std::int64_t positions,
                               Random& random) {
    std::vector<std::size_t> lengths;
    for (std::int64_t sum = 0; sum < positions;) {
        const auto user = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(data.users())));
        const std::size_t length = std::clamp<std::size_t>(data.sequence(user).size(), 2, most + 1) - 1;
        lengths.push_back(length);
        sum += static_cast<std::int64_t>(length);
    }
    std::ranges::sort(lengths, std::greater());
    for (const std::size_t length : lengths)
        offsets_.push_back(offsets_.back() + static_cast<std::int64_t>(length));
}

void Rehearsal::append(Packed& shard, std::int64_t sequence, Random& random) const {
    const bool all =
        shard.trained.empty() && static_cast<std::int64_t>(shard.labels.size()) == shard.tokens();
    const auto begin = static_cast<std::int32_t>(shard.tokens());
    const auto clicks = of(sequence);
    shard.append(clicks, -1);
    shard.places.resize(shard.items.size(), -1);
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(clicks.size()); ++i) {
        if (!all) shard.trained.push_back(begin + i);
        shard.labels.push_back(drawn(offsets_[static_cast<std::size_t>(sequence)] + i)[random.below(kDrawn)]);
    }
    shard.label_places.resize(shard.labels.size(), -1);
}

void Rehearsal::extend(std::vector<Packed>& shards, Random& random) const {
    for (Packed& shard : shards) {
        const double wanted = (1 + share_) * static_cast<double>(shard.labels.size());
        while (static_cast<double>(shard.labels.size()) < wanted)
            append(shard, static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(sequences()))),
                   random);
    }
}

}  // namespace seqrec::trainer
