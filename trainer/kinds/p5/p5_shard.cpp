#include "kinds/p5/p5_shard.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "indexes.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/shared/loss.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kBeginning = 10;  // clicks after which a prompt has little left to say
constexpr int kFirst = 10;       // times that the first item counts there: nobody but the prompt can tell it
constexpr double kHidden = 0.2;  // share of the clicks of a sequence of which some are hidden

/// What is drawn of a sequence's prompt: which columns it has, and whether it has the user's own token.
struct Drawn {
    std::uint32_t columns = 0;
    bool own = false;

    Drawn(const P5Input& input, Random& random) {
        if (input.stage == Stage::Pretrain) return;
        own = input.personal_tokens && random.uniform() >= input.settings.user_dropout;
        const double rate = input.settings.feature_dropout;
        if (random.uniform() < rate) return;
        for (std::int64_t c = 0; c < kPromptColumns; ++c)
            if (random.uniform() >= rate / 2) columns |= 1u << c;
    }
};

/// One sequence of a shard, as it is read.
class SequenceReader {
  public:
    SequenceReader(const P5Input& input, const Packed& shard, std::size_t sequence, Random& random)
        : input_(input),
          shard_(shard),
          user_(shard.users[sequence]),
          begins_(shard.begins[sequence]),
          begin_(shard.offsets[sequence]),
          end_(shard.offsets[sequence + 1]),
          random_(random) {}

    void read(std::int32_t own, std::uint32_t columns, Reading& to, std::size_t& label) {
        if (input_.stage == Stage::Prompt && begins_ > 0) return skip(begin_, label);
        const bool prompted = input_.scribe.prompt(to.terms, user_, columns, own);
        if (input_.stage == Stage::Prompt && !prompted) return skip(begin_, label);
        if (prompted && begins_ == 0 && learns_first())
            for (int i = 0; i < (input_.stage == Stage::Prompt ? kFirst : 1); ++i) to.ask(item(0), true);
        const bool is_masked =
            input_.stage == Stage::Pretrain && random_.uniform() < input_.settings.mask_share;
        Indexes hidden;
        const std::int64_t end = input_.stage == Stage::Prompt ? std::min(end_, begin_ + kBeginning) : end_;
        for (std::int64_t t = begin_; t < end; ++t) {
            const auto place = static_cast<std::int32_t>(t - begin_);
            if (is_masked && hides(hidden)) {
                hidden.push_back(place);
                input_.scribe.hidden(to.terms, place);
            } else {
                input_.scribe.click(to.terms, item(place), place);
            }
            if (has_label(t, label)) to.ask(shard_.labels[label++], prompted);
        }
        skip(end, label);
        for (const std::int32_t place : hidden) {
            input_.scribe.hidden(to.terms, place);
            to.ask(item(place), prompted);
        }
        to.end_sequence(user_);
    }

  private:
    std::int32_t item(std::int32_t place) const {
        return shard_.items[static_cast<std::size_t>(begin_ + place)];
    }
    /// Leaves out what comes from a click on.
    void skip(std::int64_t from, std::size_t& label) const {
        for (std::int64_t t = from; t < end_; ++t) label += has_label(t, label) ? 1 : 0;
    }
    bool learns_first() {
        return !is_partial() || input_.sequences.known(user_) == 0 || random_.uniform() < kOldShare;
    }
    bool is_partial() const { return std::ssize(shard_.labels) < shard_.tokens(); }
    bool has_label(std::int64_t token, std::size_t label) const {
        return !is_partial() || (label < shard_.trained.size() && shard_.trained[label] == token);
    }
    /// As many as there is room for, which is that of a prompt.
    bool hides(const Indexes& hidden) {
        return std::ssize(hidden) < kMostPrompt && random_.uniform() < kHidden;
    }

    const P5Input& input_;
    const Packed& shard_;
    const std::int32_t user_, begins_;
    const std::int64_t begin_, end_;
    Random& random_;
};

/// The network in leaf tensors, so that shards share no autograd state; what is frozen needs no gradients.
P5Network leaves_of(const P5Network& network, Stage stage) {
    P5Network copy = network;
    copy.for_each([&](const std::string& name, Tensor& tensor) {
        tensor = tensor.detach().requires_grad_(P5Network::is_trained(name, stage));
    });
    return copy;
}

Tensor rows_of(const Tensor& table, const Indexes& rows) {
    return rows.empty() ? at::zeros({0, table.size(1)}) : table.index_select(0, index_of(rows));
}

/// The items of a sampled step. Candidates of the softmax are its labels and uniform draws; an item is among them with
/// probability 1 - (1 - share)^labels (1 - 1 / items)^draws.
struct SampledItems {
    Indexes rows, candidates;  // ascending: all that is read or a candidate; places of candidates among them
    std::vector<float> weights;

    SampledItems(const P5Input& input, Reading& reading, std::uint32_t seed) {
        const auto items = static_cast<std::uint64_t>(input.label_share.size());
        const std::int64_t draws = input.settings.sampled_items;
        Random random(seed);
        Indexes drawn = reading.labels;
        for (std::int64_t i = 0; i < draws; ++i)
            drawn.push_back(static_cast<std::int32_t>(random.below(items)));
        sort_unique(drawn);
        rows = drawn;
        for_each_item(reading, [&](std::int32_t& item) { rows.push_back(item); });
        sort_unique(rows);
        weigh(input, drawn, static_cast<double>(reading.labels.size()),
              static_cast<double>(draws) * std::log1p(-1.0 / static_cast<double>(items)));
        for (std::int32_t& label : reading.labels) label = place_of(drawn, label);
        for_each_item(reading, [&](std::int32_t& item) { item = place_of(rows, item); });
    }

  private:
    void weigh(const P5Input& input, const Indexes& drawn, double labels, double missed) {
        for (const std::int32_t item : drawn) {
            const auto share = static_cast<double>(input.label_share[static_cast<std::size_t>(item)]);
            const double absent = std::exp(labels * std::log1p(-std::min(0.999999, share)) + missed);
            candidates.push_back(place_of(rows, item));
            weights.push_back(static_cast<float>(1 / (1 - absent)));
        }
    }
    template <typename Each>
    static void for_each_item(Reading& reading, const Each& each) {
        for (Terms::Term& term : reading.terms.terms)
            if (term.table == static_cast<std::int32_t>(TokenTable::Items)) each(term.row);
    }
};

/// Gradients of the leaves that are trained, zeros of those that had no part in the loss.
std::vector<Tensor> gradients_of(const Tensor& loss, const std::vector<Tensor>& leaves) {
    std::vector<Tensor> trained;
    for (const Tensor& leaf : leaves)
        if (leaf.requires_grad()) trained.push_back(leaf);
    const std::vector<Tensor> found = torch::autograd::grad({loss}, trained, {}, c10::nullopt, false, true);
    std::vector<Tensor> gradients(leaves.size());
    for (std::size_t i = 0, at = 0; i < leaves.size(); ++i) {
        if (!leaves[i].requires_grad()) continue;
        const Tensor& gradient = found[at++];
        gradients[i] = gradient.defined() ? gradient.contiguous() : at::zeros_like(leaves[i]);
    }
    return gradients;
}

}  // namespace

Reading read_shard(const P5Input& input, const Packed& shard, Indexes& own) {
    Reading reading;
    Random random(shard.seed);
    std::vector<Drawn> drawn;
    for (const std::int32_t user : shard.users) {
        drawn.emplace_back(input, random);
        if (drawn.back().own) own.push_back(user);
    }
    sort_unique(own);
    std::size_t label = 0;
    for (std::size_t s = 0; s < shard.users.size(); ++s) {
        const std::int32_t row = drawn[s].own ? place_of(own, shard.users[s]) : -1;
        SequenceReader(input, shard, s, random).read(row, drawn[s].columns, reading, label);
    }
    reading.sequences.seed = shard.seed;
    return reading;
}

P5Output compute_p5_shard(const P5Input& input, Reading reading, const Indexes& own, double label_weight) {
    const P5Settings& settings = input.settings;
    const std::uint32_t seed = reading.sequences.seed;
    std::optional<SampledItems> sample;
    P5Network network = input.network;
    if (settings.sampled_items > 0) {
        sample.emplace(input, reading, seed);
        network.item = rows_of(network.item, sample->rows);
    }
    network = leaves_of(network, input.stage);
    const Tensor personal = rows_of(input.personal.weight(), own).detach().requires_grad_(!own.empty());
    const auto read = std::make_shared<const Reading>(std::move(reading));
    const Tensor hidden =
        network.forward(read, personal, {static_cast<float>(settings.dropout), seed, settings.bfloat16});
    const Tensor queries =
        network.answer(hidden.index_select(0, index_of(read->asked)), read->prompted, settings.bfloat16);
    const Tensor ranked = sample ? network.item.index_select(0, index_of(sample->candidates)) : network.item;
    const Tensor loss = softmax_loss(queries, unit_rows(ranked), read->labels,
                                     sample ? sample->weights : std::vector<float>(),
                                     1 / settings.temperature, label_weight, settings.bfloat16);
    std::vector<Tensor> leaves = network.tensors();
    leaves.push_back(personal);
    P5Output output;
    output.labels = std::ssize(read->labels);
    output.loss = loss.item<double>();
    output.dense = gradients_of(loss, leaves);
    output.personal = {own, own.empty() ? personal.detach() : output.dense.back()};
    output.dense.pop_back();
    if (sample) output.items = {std::move(sample->rows), std::exchange(output.dense[0], Tensor())};
    return output;
}

}  // namespace seqrec::trainer
