#include "core/measure/ease.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "core/kernels/encoder_kernels.hpp"
#include "core/measure/user_lists.hpp"

namespace seqrec {
namespace {

constexpr std::ptrdiff_t kTile = SymmetricMatrix::kTile;
static_assert(kTile % kRowStep == 0);

std::ptrdiff_t tiles_of(std::int64_t size) { return (size + kTile - 1) / kTile; }

void transpose(const float* from, float* to) {
    for (std::ptrdiff_t i = 0; i < kTile; ++i)
        for (std::ptrdiff_t j = 0; j < kTile; ++j) to[j * kTile + i] = from[i * kTile + j];
}

/// The inverse of a tile of the diagonal, by Gauss-Jordan; without pivoting, which a positive definite matrix needs
/// not.
void invert_tile(const float* from, float* to) {
    std::vector<double> a(from, from + kTile * kTile);
    for (std::ptrdiff_t k = 0; k < kTile; ++k) {
        double* pivot = a.data() + k * kTile;
        if (!(pivot[k] > 0)) throw Error(sqlstate::kInternal, "a matrix to invert is not positive definite");
        const double scale = 1 / std::exchange(pivot[k], 1);
        for (std::ptrdiff_t j = 0; j < kTile; ++j) pivot[j] *= scale;
        for (std::ptrdiff_t i = 0; i < kTile; ++i) {
            double* row = a.data() + i * kTile;
            const double factor = i == k ? 0 : std::exchange(row[k], 0);
            for (std::ptrdiff_t j = 0; factor != 0 && j < kTile; ++j) row[j] -= factor * pivot[j];
        }
    }
    std::ranges::copy(a, to);
}

/// How many users had each two items, and λ on the diagonal.
void fill_gram(const UserLists& had, double lambda, SymmetricMatrix& gram, const Poll& poll) {
    std::vector<float> both(static_cast<std::size_t>(had.items()));
    for (std::int32_t item = 0; item < had.items(); ++item) {
        if (poll) poll();
        std::ranges::fill(both, 0.0f);
        for (const std::int32_t user : had.users_of(item))
            for (const std::int32_t other : had.items_of(user)) {
                if (other > item) break;
                both[static_cast<std::size_t>(other)] += 1;
            }
        for (std::int32_t other = 0; other < item; ++other) {
            const float count = both[static_cast<std::size_t>(other)];
            if (count != 0) gram.at(item, other) = count;
        }
        gram.at(item, item) = both[static_cast<std::size_t>(item)] + static_cast<float>(lambda);
    }
}

class EaseBaseline final : public Baseline {
  public:
    EaseBaseline(const Teaching& teaching, const Popularity& popularity, double lambda, const Poll& poll)
        : popularity_(popularity), scores_(static_cast<std::size_t>(teaching.items)), poll_(poll) {
        SymmetricMatrix inverse(teaching.items);
        fill_gram(UserLists(teaching), lambda, inverse, poll);
        inverse.invert(poll);
        minus_inverse_.resize(scores_.size() * scores_.size());
        for (std::int64_t i = 0; i < teaching.items; ++i) {
            if (poll) poll();
            inverse.subtract_row(i, row(i));
            diagonal_.push_back(inverse.at(i, i));
        }
    }
    std::string_view name() const override { return "ease"; }
    std::int64_t rank(const Before& before, std::int32_t target) override {
        score(before);
        const auto place = [&](std::size_t item) { return popularity_.place[item]; };
        const auto own = static_cast<std::size_t>(target);
        std::int64_t ahead = 0;
        for (std::size_t item = 0; item < scores_.size(); ++item)
            ahead +=
                !before.hides(static_cast<std::int32_t>(item)) &&
                (scores_[item] > scores_[own] || (scores_[item] == scores_[own] && place(item) < place(own)));
        return ahead;
    }

  private:
    /// In one piece: the tiles have half of it across.
    std::span<float> row(std::int64_t item) {
        return std::span(minus_inverse_)
            .subspan(static_cast<std::size_t>(item) * scores_.size(), scores_.size());
    }

    void score(const Before& before) {
        std::ranges::fill(scores_, 0.0f);
        for (const std::int32_t item : before.items()) {
            if (poll_) poll_();
            const std::span<const float> from = row(item);
            for (std::size_t i = 0; i < scores_.size(); ++i) scores_[i] += from[i];
        }
        // An item says nothing of itself.
        for (const std::int32_t item : before.items())
            scores_[static_cast<std::size_t>(item)] += diagonal_[static_cast<std::size_t>(item)];
        for (std::size_t item = 0; item < scores_.size(); ++item) scores_[item] /= diagonal_[item];
    }

    const Popularity& popularity_;
    std::vector<float> scores_, diagonal_, minus_inverse_;
    Poll poll_;
};

}  // namespace

SymmetricMatrix::SymmetricMatrix(std::int64_t size) : size_(size), tiles_(tiles_of(size)) {
    lower_.resize(static_cast<std::size_t>(tiles_ * (tiles_ + 1) / 2));
}

SymmetricMatrix::Tile& SymmetricMatrix::tile(std::ptrdiff_t row, std::ptrdiff_t column) {
    return lower_[static_cast<std::size_t>(row * (row + 1) / 2 + column)];
}

const SymmetricMatrix::Tile& SymmetricMatrix::tile(std::ptrdiff_t row, std::ptrdiff_t column) const {
    return lower_[static_cast<std::size_t>(row * (row + 1) / 2 + column)];
}

/// Within a tile of the diagonal both halves are kept: this writes only the lower one.
float& SymmetricMatrix::at(std::int64_t row, std::int64_t column) {
    if (row < column) std::swap(row, column);
    return tile(row / kTile, column / kTile).values[row % kTile * kTile + column % kTile];
}

void SymmetricMatrix::subtract_row(std::int64_t row, std::span<float> to) const {
    const std::ptrdiff_t at = row / kTile, inside = row % kTile;
    for (std::ptrdiff_t t = 0; t < tiles_; ++t) {
        const float* values = tile(std::max(at, t), std::min(at, t)).values;
        const std::ptrdiff_t step = t <= at ? 1 : kTile, count = std::min(kTile, size_ - t * kTile);
        const float* from = values + (t <= at ? inside * kTile : inside);
        for (std::ptrdiff_t i = 0; i < count; ++i)
            to[static_cast<std::size_t>(t * kTile + i)] -= from[i * step];
    }
}

/// The column of tiles at a pivot: as it was, transposed; and times the pivot's inverse.
struct SymmetricMatrix::Panel {
    explicit Panel(std::ptrdiff_t tiles)
        : transposed(static_cast<std::size_t>(tiles)), times_inverse(transposed.size()) {}

    std::vector<Tile> transposed, times_inverse;
    Tile inverse, product;
};

void SymmetricMatrix::sweep(std::ptrdiff_t pivot, Panel& panel, const Poll& poll) {
    const auto multiply = fastest_encoder_kernels(true).square_product;
    const auto column = [](std::vector<Tile>& tiles, std::ptrdiff_t i) {
        return tiles[static_cast<std::size_t>(i)].values;
    };
    invert_tile(tile(pivot, pivot).values, panel.inverse.values);
    for (std::ptrdiff_t i = 0; i < tiles_; ++i) {
        if (i == pivot) continue;
        const float* stored = tile(std::max(i, pivot), std::min(i, pivot)).values;
        float* transposed = column(panel.transposed, i);
        if (i > pivot)
            transpose(stored, transposed);
        else
            std::copy_n(stored, kTile * kTile, transposed);
        multiply(transposed, 1, kTile, panel.inverse.values, kTile, column(panel.times_inverse, i));
    }
    for (std::ptrdiff_t i = 0; i < tiles_; ++i) {
        if (poll) poll();
        for (std::ptrdiff_t j = 0; i != pivot && j <= i; ++j) {
            if (j == pivot) continue;
            multiply(column(panel.times_inverse, i), kTile, 1, column(panel.transposed, j), kTile,
                     panel.product.values);
            float* values = tile(i, j).values;
            for (std::ptrdiff_t x = 0; x < kTile * kTile; ++x) values[x] -= panel.product.values[x];
        }
    }
    for (std::ptrdiff_t i = 0; i < tiles_; ++i) {
        float* stored = tile(std::max(i, pivot), std::min(i, pivot)).values;
        if (i > pivot) std::copy_n(column(panel.times_inverse, i), kTile * kTile, stored);
        if (i < pivot) transpose(column(panel.times_inverse, i), stored);
        for (std::ptrdiff_t x = 0; i == pivot && x < kTile * kTile; ++x) stored[x] = -panel.inverse.values[x];
    }
}

/// Each sweep takes a tile of the diagonal to the other side of A x = b; after all it is -A^-1.
void SymmetricMatrix::invert(const Poll& poll) {
    for (std::int64_t i = size_; i < tiles_ * kTile; ++i) at(i, i) = 1;  // what fills up the last tile
    for (std::ptrdiff_t t = 0; t < tiles_; ++t) {
        float* values = tile(t, t).values;
        for (std::ptrdiff_t i = 0; i < kTile; ++i)
            for (std::ptrdiff_t j = 0; j < i; ++j) values[j * kTile + i] = values[i * kTile + j];
    }
    Panel panel(tiles_);
    for (std::ptrdiff_t pivot = 0; pivot < tiles_; ++pivot) sweep(pivot, panel, poll);
    for (Tile& tile : lower_)
        for (float& value : tile.values) value = -value;
}

std::size_t ease_bytes(std::int64_t items) {
    const auto tiles = static_cast<std::size_t>(tiles_of(items));
    return ((tiles * (tiles + 1) / 2 + 2 * tiles) * kTile * kTile + static_cast<std::size_t>(items * items)) *
           sizeof(float);
}

std::unique_ptr<Baseline> ease_baseline(const Teaching& teaching, const Popularity& popularity, double lambda,
                                        const Poll& poll) {
    return std::make_unique<EaseBaseline>(teaching, popularity, lambda, poll);
}

}  // namespace seqrec
