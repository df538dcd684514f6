#include "kinds/transformer/teacher.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "kernels/step_kernels.hpp"
#include "kinds/shared/batches.hpp"
#include "kinds/transformer/moments.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr std::int64_t kEach = 16;  // items of a place; twice as many teach no more (docs/ablations.md)
constexpr std::int64_t kMostItems = 1 << 26;  // of all places: half a gigabyte
constexpr std::int64_t kPositions = 64;       // held against all items at a time

/// The highest scores offered, in no order.
class Likeliest {
  public:
    explicit Likeliest(std::size_t count) : count_(count) { heap_.reserve(count); }

    bool wants(float score) const { return heap_.size() < count_ || score > heap_.front().first; }
    void add(float score, std::int32_t item) {
        if (heap_.size() == count_) {
            std::ranges::pop_heap(heap_, std::greater());
            heap_.pop_back();
        }
        heap_.emplace_back(score, item);
        std::ranges::push_heap(heap_, std::greater());
    }
    const std::vector<std::pair<float, std::int32_t>>& found() const { return heap_; }

  private:
    std::size_t count_;
    std::vector<std::pair<float, std::int32_t>> heap_;
};

/// A part of a user's sequence: inputs [begin, end), of which those from `first` on are asked.
struct Stretch {
    std::int64_t user, begin, first, end;
};

/// Of the training part, overlapping by half, so that every place but the first has half of max_len before it, or all there is.
std::vector<Stretch> stretches_of(const Dataset& data, std::int64_t max_len) {
    std::vector<Stretch> stretches;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const std::int64_t inputs = std::ssize(data.training(u)) - 1;
        for (std::int64_t first = 0; first < inputs;) {
            const std::int64_t begin = std::max<std::int64_t>(0, first - max_len / 2);
            const std::int64_t end = std::min(inputs, begin + max_len);
            stretches.push_back({u, begin, first, end});
            first = end;
        }
    }
    return stretches;
}

/// Where groups of stretches end that are encoded together.
std::vector<std::size_t> groups_of(const std::vector<Stretch>& stretches) {
    std::vector<std::size_t> ends;
    std::int64_t tokens = 0;
    for (std::size_t s = 0; s < stretches.size(); ++s) {
        tokens += stretches[s].end - stretches[s].begin;
        if (tokens < kEncodedTokens && s + 1 < stretches.size()) continue;
        ends.push_back(s + 1);
        tokens = 0;
    }
    return ends;
}

std::int64_t items_of_a_place(std::int64_t places) {
    return std::clamp<std::int64_t>(kMostItems / std::max<std::int64_t>(places, 1), 1, kEach);
}

}  // namespace

/// Asks for some stretches at a time.
class Teacher::Asking {
  public:
    Asking(Teacher& teacher, const Members& members, const Dataset& data, const Moments& moments,
           const Tensor& rows, double temperature)
        : teacher_(teacher),
          members_(members),
          data_(data),
          moments_(moments),
          rows_(rows),
          scale_(static_cast<float>(1 / (temperature * static_cast<double>(members.size())))),
          scores_(static_cast<std::size_t>(kPositions * data.items())) {}

    void ask(std::span<const Stretch> stretches) {
        const at::NoGradGuard no_gradients;
        const auto batch = std::make_shared<Packed>();
        for (const Stretch& stretch : stretches) append(*batch, stretch);
        const Tensor queries = queries_of(batch);
        for (std::size_t s = 0; s < stretches.size(); ++s) {
            const Stretch& stretch = stretches[s];
            for (std::int64_t at = stretch.first; at < stretch.end; at += kPositions)
                score(stretch, at, std::min(kPositions, stretch.end - at),
                      queries.data_ptr<float>() + (batch->offsets[s] + at - stretch.begin) * queries.size(1));
        }
    }

  private:
    void append(Packed& batch, const Stretch& stretch) const {
        const auto length = static_cast<std::size_t>(stretch.end - stretch.begin);
        batch.append(data_.sequence(stretch.user).subspan(static_cast<std::size_t>(stretch.begin), length),
                     static_cast<std::int32_t>(stretch.user));
        const std::int64_t place = data_.offsets()[static_cast<std::size_t>(stretch.user)] + stretch.begin;
        for (std::int64_t i = 0; i < stretch.end - stretch.begin; ++i) {
            batch.places.push_back(place + i);
            batch.label_places.push_back(place + i + 1);
            batch.labels.push_back(0);  // there is one; question_terms asks no more
        }
    }

    /// [tokens, members dim], each slice of unit length.
    Tensor queries_of(const Batch& batch) const {
        std::shared_ptr<const Terms> inputs, questions;
        if (moments_.exists()) {
            inputs = input_terms(moments_, *batch, true);
            questions = question_terms(moments_, *batch, true);
        }
        std::vector<Tensor> slices;
        for (const Member& member : members_) {
            Tensor hidden = member.network.forward(batch, {}, inputs);
            if (keeps_users(member.users)) hidden = add_rows(hidden, member.users, batch, batch->users);
            if (questions) hidden = hidden + gather({member.network.asked_moments}, questions, {});
            slices.push_back(unit_rows(hidden));
        }
        return slices.size() == 1 ? slices[0] : at::cat(slices, 1);
    }

    /// The likeliest items after inputs [at, at + count) of a stretch.
    void score(const Stretch& stretch, std::int64_t at, std::int64_t count, const float* queries) {
        const std::int64_t items = rows_.size(0), wide = rows_.size(1);
        k().gemm({count, items, wide, queries, wide, 1, rows_.data_ptr<float>(), 1, wide, scores_.data(),
                  items, scale_});
        const auto sequence = data_.sequence(stretch.user);
        for (std::int64_t i = 0; i < count; ++i)
            if (!data_.is_held_out(sequence[static_cast<std::size_t>(at + i + 1)]))
                write(scores_.data() + i * items,
                      data_.offsets()[static_cast<std::size_t>(stretch.user)] + at + i + 1);
    }

    void write(const float* scores, std::int64_t place) {
        Likeliest likeliest(static_cast<std::size_t>(teacher_.each_));
        for (std::int64_t item = 0; item < rows_.size(0); ++item)
            if (likeliest.wants(scores[item])) likeliest.add(scores[item], static_cast<std::int32_t>(item));
        float highest = -INFINITY, sum = 0;
        for (const auto& [score, item] : likeliest.found()) highest = std::max(highest, score);
        for (const auto& [score, item] : likeliest.found()) sum += std::exp(score - highest);
        auto at = static_cast<std::size_t>(place * teacher_.each_);
        for (const auto& [score, item] : likeliest.found()) {
            teacher_.items_[at] = item;
            teacher_.shares_[at++] = kTaughtShare * std::exp(score - highest) / sum;
        }
    }

    Teacher& teacher_;
    const Members& members_;
    const Dataset& data_;
    const Moments& moments_;
    const Tensor rows_;  // [items, members dim]
    const float scale_;
    std::vector<float> scores_;
};

Teacher::Teacher(const Members& members, const Dataset& data, const Moments& moments, double temperature,
                 Workers& workers, const std::function<bool(double)>& goes_on)
    : each_(std::min(data.items(), items_of_a_place(data.interactions()))),
      items_(static_cast<std::size_t>(data.interactions() * each_)),
      shares_(items_.size()) {
    const std::vector<Stretch> stretches = stretches_of(data, members[0].network.position.size(0));
    const std::vector<std::size_t> ends = groups_of(stretches);
    const Tensor rows = TransformerWeights(members).item_rows();
    std::atomic<std::size_t> next = 0;
    workers.run([&](int) {
        Asking asking(*this, members, data, moments, rows, temperature);
        for (std::size_t group; (group = next.fetch_add(1)) < ends.size();) {
            const std::size_t begin = group == 0 ? 0 : ends[group - 1];
            asking.ask(std::span(stretches).subspan(begin, ends[group] - begin));
            if (!goes_on(static_cast<double>(group + 1) / static_cast<double>(ends.size()))) return;
        }
    });
}

std::span<const std::int32_t> Teacher::items(std::int64_t place) const {
    return {items_.data() + place * each_, static_cast<std::size_t>(each_)};
}

std::span<const float> Teacher::shares(std::int64_t place) const {
    return {shares_.data() + place * each_, static_cast<std::size_t>(each_)};
}

void Teacher::soften(Packed& shard) const {
    SoftLabels& soft = shard.soft;
    soft.each = each_;
    for (const std::int64_t place : shard.label_places) {
        if (place < 0) {  // nobody's
            soft.items.resize(soft.items.size() + static_cast<std::size_t>(each_));
            soft.shares.resize(soft.items.size());
            continue;
        }
        soft.items.insert(soft.items.end(), items(place).begin(), items(place).end());
        soft.shares.insert(soft.shares.end(), shares(place).begin(), shares(place).end());
    }
}

}  // namespace seqrec::trainer
