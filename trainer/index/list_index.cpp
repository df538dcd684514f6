#include "index/list_index.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <queue>
#include <span>

#include "kernels/step_kernels.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using Poll = std::function<void(double)>;

constexpr std::int64_t kRounds = 10;
constexpr std::int64_t kSample = 64;   // rows a list that the centroids are computed from
constexpr std::int64_t kPoints = 256;  // compared with the centroids at a time
constexpr std::int64_t kChunk = 256;   // centroids at a time: the scores stay in the second-level cache
constexpr std::int64_t kLarge = 4;     // times the mean: a list to be split
constexpr float kApart = 0.5f;         // how far the halves of a list move, of a member's distance

float* row_of(const Tensor& matrix, std::int64_t row) {
    return matrix.data_ptr<float>() + row * matrix.size(1);
}

/// Makes a row one of unit length; false when it has no length to speak of.
bool normalise(float* row, std::int64_t width) {
    const float length = std::sqrt(k().dot(row, row, width));
    if (!(length > std::numeric_limits<float>::min() && std::isfinite(length))) return false;
    for (std::int64_t d = 0; d < width; ++d) row[d] /= length;
    return true;
}

/// Finds the nearest centroid of a block of rows, chunk of centroids by chunk.
class Nearest {
  public:
    explicit Nearest(const Tensor& centroids)
        : centroids_(centroids),
          packed_(static_cast<std::size_t>(centroids.size(1) * kPoints)),
          scores_(kChunk * kPoints),
          best_(kPoints) {}

    /// `list` has room for kPoints; those beyond `count` are scratch.
    void find(const float* rows, std::int64_t count, std::int32_t* list) {
        const std::int64_t width = centroids_.size(1), lists = centroids_.size(0);
        kernels::Gemm product{0, count, width, nullptr, width, 1, rows, 1, width, scores_.data(), kPoints};
        k().pack_b(product, packed_.data());
        product.packed_b = packed_.data();
        std::fill(best_.begin(), best_.end(), -std::numeric_limits<float>::infinity());
        std::fill_n(list, kPoints, 0);
        for (std::int64_t first = 0; first < lists; first += kChunk) {
            product.m = std::min(kChunk, lists - first);
            product.a = row_of(centroids_, first);
            k().gemm(product);
            k().column_best(scores_.data(), best_.data(), list, static_cast<std::int32_t>(first), product.m,
                            kPoints);
        }
    }

  private:
    const Tensor& centroids_;
    std::vector<float> packed_, scores_, best_;
};

/// The nearest centroid of every row; `done(rows)` is told of each block.
void assign(const Tensor& rows, const Tensor& centroids, std::vector<std::int32_t>& list, Workers& workers,
            const std::function<void(std::int64_t)>& done) {
    std::atomic<std::int64_t> next = 0;
    workers.run([&](int) {
        Nearest nearest(centroids);
        std::vector<std::int32_t> found(kPoints);
        for (std::int64_t begin; (begin = next.fetch_add(kPoints)) < rows.size(0);) {
            const std::int64_t count = std::min(kPoints, rows.size(0) - begin);
            nearest.find(row_of(rows, begin), count, found.data());
            std::copy_n(found.begin(), count, list.begin() + begin);
            done(count);
        }
    });
}

/// Rows evenly spread over all, of unit length; those without length are left out.
Tensor sample_rows(const Tensor& items, std::int64_t limit) {
    const std::int64_t count = std::min(items.size(0), limit), width = items.size(1);
    const Tensor sample = at::empty({count, width}, at::kFloat);
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        std::copy_n(row_of(items, i * items.size(0) / count), width, row_of(sample, kept));
        if (normalise(row_of(sample, kept), width)) ++kept;
    }
    return sample.narrow(0, 0, kept);
}

/// `lists` different rows of the sample.
Tensor first_centroids(const Tensor& sample, std::int64_t lists, Random& random) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(sample.size(0)));
    std::iota(rows.begin(), rows.end(), 0);
    random.shuffle(rows);
    const Tensor centroids = at::empty({lists, sample.size(1)}, at::kFloat);
    for (std::int64_t l = 0; l < lists; ++l)
        std::copy_n(row_of(sample, rows[static_cast<std::size_t>(l)]), sample.size(1), row_of(centroids, l));
    return centroids;
}

/// The rows of each list, in order.
class Grouped {
  public:
    Grouped(const std::vector<std::int32_t>& list, std::int64_t lists)
        : begin_(static_cast<std::size_t>(lists + 1)), rows_(list.size()) {
        for (const std::int32_t l : list) ++begin_[static_cast<std::size_t>(l + 1)];
        std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
        std::vector<std::int64_t> at = begin_;
        for (std::size_t row = 0; row < list.size(); ++row)
            rows_[static_cast<std::size_t>(at[static_cast<std::size_t>(list[row])]++)] =
                static_cast<std::int64_t>(row);
    }

    std::span<const std::int64_t> operator[](std::int64_t list) const {
        const std::int64_t begin = begin_[static_cast<std::size_t>(list)];
        return {rows_.data() + begin,
                static_cast<std::size_t>(begin_[static_cast<std::size_t>(list + 1)] - begin)};
    }
    std::int64_t size(std::int64_t list) const { return static_cast<std::int64_t>((*this)[list].size()); }

  private:
    std::vector<std::int64_t> begin_, rows_;
};

/// Every centroid becomes the direction of its members' sum; one without members stays where it is.
void move_centroids(const Tensor& sample, const Grouped& members, const Tensor& centroids, Workers& workers) {
    const std::int64_t width = sample.size(1);
    workers.split(centroids.size(0), [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> sum(static_cast<std::size_t>(width));
        for (std::int64_t l = begin; l < end; ++l) {
            std::fill(sum.begin(), sum.end(), 0.0f);
            for (const std::int64_t row : members[l]) k().axpy(row_of(sample, row), sum.data(), width, 1);
            if (normalise(sum.data(), width)) std::copy(sum.begin(), sum.end(), row_of(centroids, l));
        }
    });
}

/// Divides a list between two centroids on either side of its own: one goes towards `member`, the other away.
void split(const Tensor& centroids, std::int64_t from, std::int64_t to, const float* member) {
    const std::int64_t width = centroids.size(1);
    float *near = row_of(centroids, from), *far = row_of(centroids, to);
    const std::vector<float> middle(near, near + width);
    const float along = k().dot(middle.data(), member, width);
    std::vector<float> across(member, member + width);
    k().axpy(middle.data(), across.data(), width, -along);
    std::copy(middle.begin(), middle.end(), far);
    k().axpy(across.data(), near, width, kApart);
    k().axpy(across.data(), far, width, -kApart);
    normalise(near, width);
    normalise(far, width);
}

/// Gives empty lists, and very small ones while others are very large, half of the largest list each.
void balance(const Tensor& sample, const Grouped& members, const Tensor& centroids, Random& random) {
    const std::int64_t lists = centroids.size(0), mean = std::max<std::int64_t>(sample.size(0) / lists, 1);
    std::vector<std::int64_t> by_size(static_cast<std::size_t>(lists));
    std::iota(by_size.begin(), by_size.end(), 0);
    std::vector<std::int64_t> rows_of = by_size;  // which list's members a list is made of
    std::stable_sort(by_size.begin(), by_size.end(),
                     [&](std::int64_t a, std::int64_t b) { return members.size(a) < members.size(b); });
    std::priority_queue<std::pair<std::int64_t, std::int64_t>> largest;  // size, list
    for (const std::int64_t l : by_size) largest.emplace(members.size(l), l);
    for (const std::int64_t l : by_size) {
        const auto [size, from] = largest.top();
        const bool wanted =
            members.size(l) == 0 ? size > 1 : size > kLarge * mean && members.size(l) < mean / kLarge;
        if (!wanted) break;
        largest.pop();
        const auto rows = members[rows_of[static_cast<std::size_t>(from)]];
        split(centroids, from, l, row_of(sample, rows[random.below(rows.size())]));
        rows_of[static_cast<std::size_t>(l)] = rows_of[static_cast<std::size_t>(from)];
        largest.emplace(size - size / 2, from);
        largest.emplace(size / 2, l);
    }
}

Tensor find_centroids(const Tensor& sample, std::int64_t lists, Random& random, Workers& workers,
                      const std::function<void(std::int64_t)>& done) {
    const Tensor centroids = first_centroids(sample, lists, random);
    std::vector<std::int32_t> list(static_cast<std::size_t>(sample.size(0)));
    for (std::int64_t round = 1; round <= kRounds; ++round) {
        assign(sample, centroids, list, workers, done);
        const Grouped members(list, lists);
        move_centroids(sample, members, centroids, workers);
        if (round < kRounds) balance(sample, members, centroids, random);
    }
    return centroids;
}

/// One list, for items none of which has a direction.
Tensor any_direction(std::int64_t width) {
    const Tensor centroid = at::zeros({1, width}, at::kFloat);
    *centroid.data_ptr<float>() = 1;
    return centroid;
}

}  // namespace

std::int64_t choose_lists(std::int64_t items) {
    constexpr std::int64_t kMultiple = 64;
    const auto lists = std::llround(4 * std::sqrt(static_cast<double>(items)));
    const std::int64_t rounded = lists < kMultiple ? lists : (lists + kMultiple / 2) / kMultiple * kMultiple;
    return std::clamp<std::int64_t>(rounded, 1, std::max<std::int64_t>(items, 1));
}

ListIndex group_items(const Tensor& items, std::int64_t lists, Random random, Workers& workers,
                      const Poll& poll) {
    const at::NoGradGuard no_gradients;
    const Tensor sample = sample_rows(items, kSample * lists);
    lists = std::min(lists, sample.size(0));
    const std::int64_t work = kRounds * sample.size(0) + items.size(0);
    std::atomic<std::int64_t> rows_done = 0;
    const auto done = [&](std::int64_t rows) {
        poll(static_cast<double>(rows_done += rows) / static_cast<double>(work));
    };
    ListIndex index;
    index.centroids =
        lists == 0 ? any_direction(items.size(1)) : find_centroids(sample, lists, random, workers, done);
    index.list.resize(static_cast<std::size_t>(items.size(0)));
    assign(items, index.centroids, index.list, workers, done);
    return index;
}

std::vector<std::int32_t> nearest_lists(const Tensor& items, const Tensor& centroids, Workers& workers) {
    std::vector<std::int32_t> list(static_cast<std::size_t>(items.size(0)));
    assign(items, centroids, list, workers, [](std::int64_t) {});
    return list;
}

}  // namespace seqrec::trainer
