// The forward pass of trainer/models/transformer.cpp in Eigen. The two are held together by
// trainer/test/parity_test.cpp.
#include "core/encoder.hpp"

#define EIGEN_DONT_PARALLELIZE
#define eigen_assert(condition) \
    ((condition) ? void() : throw ::seqrec::Error(::seqrec::sqlstate::kInternal, "Eigen: " #condition))
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace seqrec {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXf;
using ConstMatrix = Eigen::Map<const Matrix>;
using ConstRow = Eigen::Map<const Row>;
/// y = x b for x [n, depth], b [depth, columns], all row by row with the given distances between rows.
struct Product {
    const float* x;
    Eigen::Index x_row, n, depth;
    const float* b;
    Eigen::Index b_row, columns;
    float* y;
    Eigen::Index y_row;
};

typedef float Wide __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4), may_alias));
constexpr Eigen::Index kLanes = 16;

/// A tile of y, `rows` rows from row r on and `wides` times sixteen columns from column j on, stays in
/// registers while b is read in order.
template <int rows, int wides>
[[gnu::always_inline]] inline void multiply_tile(const Product& p, Eigen::Index r, Eigen::Index j) {
    const float* x = p.x + r * p.x_row;
    Wide sums[rows][wides] = {};
    for (Eigen::Index k = 0; k < p.depth; ++k) {
        Wide right[wides];
        for (int w = 0; w < wides; ++w)
            right[w] = *reinterpret_cast<const Loose*>(p.b + k * p.b_row + j + w * kLanes);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
            for (int w = 0; w < wides; ++w) sums[i][w] += x[i * p.x_row + k] * right[w];
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int w = 0; w < wides; ++w)
            *reinterpret_cast<Loose*>(p.y + (r + i) * p.y_row + j + w * kLanes) = sums[i][w];
}

template <int rows, int wides>
[[gnu::always_inline]] inline void multiply_rows(const Product& p, Eigen::Index r) {
    Eigen::Index j = 0;
    for (; j + wides * kLanes <= p.columns; j += wides * kLanes) multiply_tile<rows, wides>(p, r, j);
    for (; j + kLanes <= p.columns; j += kLanes) multiply_tile<rows, 1>(p, r, j);
    for (; j < p.columns; ++j)
        for (Eigen::Index i = r; i < r + rows; ++i) {
            float sum = 0;
            for (Eigen::Index k = 0; k < p.depth; ++k) sum += p.x[i * p.x_row + k] * p.b[k * p.b_row + j];
            p.y[i * p.y_row + j] = sum;
        }
}

/// The last `left` rows, fewer than a whole tile has.
template <int rows, int wides>
[[gnu::always_inline]] inline void multiply_rest(const Product& p, Eigen::Index r, Eigen::Index left) {
    if constexpr (rows > 0) {
        if (left == rows)
            multiply_rows<rows, wides>(p, r);
        else
            multiply_rest<rows - 1, wides>(p, r, left);
    }
}

/// `rows` times `wides` sums at a time: as many as the registers hold beside what they are made of.
template <int rows, int wides>
[[gnu::always_inline]] inline void multiply_all(const Product& p) {
    Eigen::Index r = 0;
    for (; r + rows <= p.n; r += rows) multiply_rows<rows, wides>(p, r);
    multiply_rest<rows - 1, wides>(p, r, p.n - r);
}

/// e^x, relative error about 2e-7 on [-87, 88]: range reduction by powers of two, then the polynomial of
/// Cephes' expf.
[[gnu::always_inline]] inline Wide exp(Wide x) {
    typedef std::int32_t Bits __attribute__((vector_size(64)));
    const Wide zero{};
    x = x < -87.3f ? zero - 87.3f : x;
    x = x > 88.0f ? zero + 88.0f : x;
    const Wide shifted = x * 1.44269504088896341f + 12582912.0f, n = shifted - 12582912.0f;
    const Wide r = x - n * 0.693359375f - n * -2.12194440e-4f;
    Wide p = zero + 1.9875691500e-4f;
    for (const float c :
         {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = p * r + c;
    p = p * r * r + r + 1.0f;
    return p * (Wide)(((Bits)shifted << 23) + (Bits)(zero + 1.0f));
}

/// The tanh form of GELU: x s(2 sqrt(2 / pi) (x + 0.044715 x^3)), s the logistic function.
[[gnu::always_inline]] inline Wide gelu(Wide x) {
    return x / (1 + exp(x * (-1.5957691216f - 0.0713548162726f * (x * x))));
}

/// x := gelu(x + bias) for `rows` rows of `columns`, a multiple of sixteen or the tail in a buffer of its
/// own.
[[gnu::always_inline]] inline void bias_gelu_all(float* x, const float* bias, Eigen::Index rows,
                                                 Eigen::Index columns) {
    for (Eigen::Index r = 0; r < rows; ++r, x += columns) {
        Eigen::Index j = 0;
        for (; j + kLanes <= columns; j += kLanes)
            *reinterpret_cast<Loose*>(x + j) =
                gelu(*reinterpret_cast<Loose*>(x + j) + *reinterpret_cast<const Loose*>(bias + j));
        Wide tail{};
        for (Eigen::Index i = j; i < columns; ++i) tail[i - j] = x[i] + bias[i];
        if (j < columns) tail = gelu(tail);
        for (Eigen::Index i = j; i < columns; ++i) x[i] = tail[i - j];
    }
}

/// What nearly all the time of an encoding goes into. Eigen knows only the instructions that the whole
/// program is built for: so the fastest that this CPU runs are picked here.
struct Kernels {
    void (*multiply)(const Product& p);
    void (*bias_gelu)(float* x, const float* bias, Eigen::Index rows, Eigen::Index columns);
};

void multiply_portable(const Product& p) { multiply_all<4, 1>(p); }
void bias_gelu_portable(float* x, const float* bias, Eigen::Index rows, Eigen::Index columns) {
    bias_gelu_all(x, bias, rows, columns);
}
#if defined(__x86_64__)
#define SEQREC_AVX2 __attribute__((target("avx2,fma")))
#define SEQREC_AVX512 __attribute__((target("avx512f,avx2,fma")))
SEQREC_AVX2 void multiply_avx2(const Product& p) { multiply_all<6, 1>(p); }
SEQREC_AVX2 void bias_gelu_avx2(float* x, const float* bias, Eigen::Index rows, Eigen::Index columns) {
    bias_gelu_all(x, bias, rows, columns);
}
SEQREC_AVX512 void multiply_avx512(const Product& p) { multiply_all<10, 2>(p); }
SEQREC_AVX512 void bias_gelu_avx512(float* x, const float* bias, Eigen::Index rows, Eigen::Index columns) {
    bias_gelu_all(x, bias, rows, columns);
}
#endif

Kernels choose_kernels() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return {multiply_avx512, bias_gelu_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return {multiply_avx2, bias_gelu_avx2};
#endif
    return {multiply_portable, bias_gelu_portable};
}

const Kernels& kernels() {
    static const Kernels chosen = choose_kernels();
    return chosen;
}

void multiply(const Product& p) { kernels().multiply(p); }

/// x b for whole matrices. 矩阵乘积。
Matrix product(const Matrix& x, const Matrix& b) {
    Matrix y(x.rows(), b.cols());
    multiply({x.data(), x.cols(), x.rows(), x.cols(), b.data(), b.cols(), b.cols(), y.data(), y.cols()});
    return y;
}

[[noreturn]] void corrupted(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "model is not valid: " + what, "Train the model again.");
}

ConstRow row_of(const SafetensorsFile& file, const std::string& name, std::int64_t size) {
    return {file.get<float>(name, {size}).data(), size};
}

ConstMatrix matrix_of(const SafetensorsFile& file, const std::string& name, std::int64_t rows,
                      std::int64_t columns) {
    const auto values = file.get<float>(name, {rows, columns});
    if (rows < 0) rows = static_cast<std::int64_t>(values.size()) / columns;
    return {values.data(), rows, columns};
}

struct Norm {
    ConstRow weight, bias;

    /// Layer normalisation of each row (Ba, Kiros, Hinton 2016), epsilon 1e-5.
    Matrix operator()(const Matrix& x) const {
        Matrix y(x.rows(), x.cols());
        for (Eigen::Index r = 0; r < x.rows(); ++r) {
            const Row centred = x.row(r).array() - x.row(r).mean();
            const float inverse = 1 / std::sqrt(centred.squaredNorm() / static_cast<float>(x.cols()) + 1e-5f);
            y.row(r) = (centred * inverse).cwiseProduct(weight) + bias;
        }
        return y;
    }
};

struct Linear {
    Matrix weight;  // [in, out]: transposed from the file once, so that products read it in order
    ConstRow bias;

    Matrix operator()(const Matrix& x) const {
        Matrix y = product(x, weight);
        y.rowwise() += bias;
        return y;
    }
};

struct Block {
    static constexpr Eigen::Index kQueries = 48;  // whose keys are cut off together

    Norm norm1, norm2;
    Linear query, key_value;
    ConstMatrix relative;  // [heads, max_len]: added to the score of a key that many places back
    Linear out, wide, narrow;

    /// Attention of the last `queries` positions of x over all positions before and at each.
    Matrix attend(const Matrix& x, Eigen::Index queries) const {
        const Eigen::Index length = x.rows(), dim = x.cols(), heads = relative.rows(), width = dim / heads;
        const Matrix queried = query(x.bottomRows(queries)), keyed = key_value(x);
        const Matrix keys = keyed.leftCols(dim).transpose();
        const float scale = 1 / std::sqrt(static_cast<float>(width));
        Matrix scores(queries, length), result(queries, dim);
        for (Eigen::Index h = 0; h < heads; ++h)
            for (Eigen::Index q = 0; q < queries; q += kQueries) {
                const Eigen::Index rows = std::min(kQueries, queries - q), seen = length - queries + q + rows;
                const Eigen::Index at = h * width;
                multiply(
                    {&queried(q, at), dim, rows, width, &keys(at, 0), length, seen, &scores(q, 0), length});
                for (Eigen::Index r = q; r < q + rows; ++r)
                    weigh(scores.row(r).head(seen), length - queries + r + 1, h, scale);
                multiply({&scores(q, 0), length, rows, seen, &keyed(0, dim + at), 2 * dim, width,
                          &result(q, at), dim});
            }
        return result;
    }

    /// Turns scores into weights: scaled, the bias of the distance added, softmax over the visible keys.
    void weigh(Eigen::Ref<Row> scores, Eigen::Index visible, Eigen::Index head, float scale) const {
        auto row = scores.head(visible);
        row = row * scale + relative.row(head).head(visible).reverse();
        row = (row.array() - row.maxCoeff()).exp();
        row /= row.sum();
        scores.tail(scores.size() - visible).setZero();
    }

    /// The block's output at the last `queries` positions of x.
    Matrix operator()(const Matrix& x, Eigen::Index queries) const {
        Matrix y = x.bottomRows(queries) + out(attend(norm1(x), queries));
        Matrix inner = product(norm2(y), wide.weight);
        kernels().bias_gelu(inner.data(), wide.bias.data(), inner.rows(), inner.cols());
        y += narrow(inner);
        return y;
    }
};

Block read_block(const SafetensorsFile& file, const std::string& at, std::int64_t dim, std::int64_t heads,
                 std::int64_t max_len) {
    const auto row = [&](const char* name, std::int64_t size) { return row_of(file, at + name, size); };
    const auto matrix = [&](const char* name, std::int64_t rows, std::int64_t columns) {
        return matrix_of(file, at + name, rows, columns);
    };
    const auto transposed = [&](const char* name, std::int64_t rows, std::int64_t columns) -> Matrix {
        return matrix(name, rows, columns).transpose();
    };
    const ConstMatrix qkv = matrix("qkv.weight", 3 * dim, dim);
    const ConstRow bias = row("qkv.bias", 3 * dim);
    return {{row("norm1.weight", dim), row("norm1.bias", dim)},
            {row("norm2.weight", dim), row("norm2.bias", dim)},
            {qkv.topRows(dim).transpose(), {bias.data(), dim}},
            {qkv.bottomRows(2 * dim).transpose(), {bias.data() + dim, 2 * dim}},
            matrix("relative", heads, max_len),
            {transposed("out.weight", dim, dim), row("out.bias", dim)},
            {transposed("wide.weight", 4 * dim, dim), row("wide.bias", 4 * dim)},
            {transposed("narrow.weight", dim, 4 * dim), row("narrow.bias", dim)}};
}

std::int64_t whole(const nlohmann::json& config, const char* name) {
    const auto& value = config.at(name);
    if (!value.is_number_integer()) corrupted(std::string(name) + " is no whole number");
    return value.get<std::int64_t>();
}

struct Config {
    std::int64_t members, dim, layers, heads, max_len;

    explicit Config(const std::string& text) try {
        const auto config = nlohmann::json::parse(text);
        members = whole(config, "members");
        dim = whole(config, "dim");
        layers = whole(config, "layers");
        heads = whole(config, "heads");
        max_len = whole(config, "max_len");
        if (members < 1 || members > 64 || dim < 1 || dim > 65536 || layers < 1 || layers > 1024 ||
            heads < 1 || dim % heads != 0 || max_len < 1 || max_len > 1024)
            corrupted("config is out of range");
    } catch (const nlohmann::json::exception& error) {
        corrupted(error.what());
    }
};

/// One of the networks whose cosines are averaged: it reads and writes its own slice of all embeddings.
struct Member {
    Eigen::Index first, dim;  // columns of the slice
    ConstMatrix position;
    Norm norm;
    std::vector<Block> blocks;

    Member(const SafetensorsFile& file, const Config& config, std::int64_t index)
        : Member(file, config, index, "member." + std::to_string(index) + ".") {}

    /// Item vectors at their own lengths times sqrt(dim), plus positions counted from the oldest click.
    Matrix embed(const ConstMatrix& items, const ConstMatrix& lengths, Eigen::Index member,
                 std::span<const std::int32_t> clicks) const {
        const float scale = std::sqrt(static_cast<float>(dim));
        Matrix x(static_cast<Eigen::Index>(clicks.size()), dim);
        for (std::size_t i = 0; i < clicks.size(); ++i) {
            const auto at = static_cast<Eigen::Index>(i);
            x.row(at) = items.row(clicks[i]).segment(first, dim) * (scale * lengths(clicks[i], member)) +
                        position.row(at);
        }
        return x;
    }

    /// The sequence's hidden state at its last click; the last block computes nothing else.
    Row interest(Matrix x) const {
        for (std::size_t i = 0; i < blocks.size(); ++i)
            x = blocks[i](x, i + 1 == blocks.size() ? 1 : x.rows());
        return norm(x);
    }

  private:
    Member(const SafetensorsFile& file, const Config& config, std::int64_t index, const std::string& at)
        : first(index * config.dim),
          dim(config.dim),
          position(matrix_of(file, at + "position.embedding", config.max_len, dim)),
          norm{row_of(file, at + "norm.weight", dim), row_of(file, at + "norm.bias", dim)} {
        for (std::int64_t i = 0; i < config.layers; ++i)
            blocks.push_back(
                read_block(file, at + "block." + std::to_string(i) + ".", dim, config.heads, config.max_len));
    }
};

void normalise(Eigen::Ref<Row> vector) {
    const float length = vector.norm();
    if (length > 0) vector /= length;
}

}  // namespace

struct Encoder::Impl {
    std::int64_t max_len;
    ConstMatrix items, users, lengths;
    std::vector<Member> members;

    Impl(const SafetensorsFile& file, const Config& config)
        : max_len(config.max_len),
          items(matrix_of(file, "item.embedding", -1, config.members * config.dim)),
          users(matrix_of(file, "user.embedding", -1, config.members * config.dim)),
          lengths(matrix_of(file, "click.length", items.rows(), config.members)) {
        for (std::int64_t i = 0; i < config.members; ++i) members.emplace_back(file, config, i);
    }
};

Encoder::Encoder(const SafetensorsFile& file)
    : impl_(std::make_unique<const Impl>(file, Config(file.meta("config")))) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

int Encoder::dim() const { return static_cast<int>(impl_->items.cols()); }
int Encoder::max_len() const { return static_cast<int>(impl_->max_len); }
std::int64_t Encoder::items() const { return impl_->items.rows(); }
std::int64_t Encoder::users() const { return impl_->users.rows(); }

void Encoder::encode(std::span<const std::int32_t> clicks, std::int32_t user, std::span<float> out) const {
    if (out.size() != static_cast<std::size_t>(dim()) || user < -1 || user >= users())
        throw Error(sqlstate::kInternal, "encoder called with a wrong size or user");
    clicks = clicks.last(std::min(clicks.size(), static_cast<std::size_t>(impl_->max_len)));
    for (const std::int32_t item : clicks)
        if (item < 0 || item >= items()) throw Error(sqlstate::kInternal, "item index is out of range");
    Eigen::Map<Row> result(out.data(), dim());
    result.setZero();
    if (user >= 0) result = impl_->users.row(user);
    for (std::size_t m = 0; m < impl_->members.size(); ++m) {
        const Member& member = impl_->members[m];
        auto slice = result.segment(member.first, member.dim);
        if (!clicks.empty())
            slice += member.interest(
                member.embed(impl_->items, impl_->lengths, static_cast<Eigen::Index>(m), clicks));
        normalise(slice);
    }
    normalise(result);
}

}  // namespace seqrec
