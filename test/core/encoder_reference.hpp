// The forward pass of a model as it is written down, in double precision loops: what core/kinds/transformer.cpp is held
// to.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/files/safetensors.hpp"

namespace seqrec::testing {

/// One member's network over its weights in the file.
/// 用双精度循环直接计算的单个网络，作为编码器的对照。
class ReferenceNetwork {
  public:
    using Vector = std::vector<double>;
    using Rows = std::vector<Vector>;

    ReferenceNetwork(const SafetensorsFile& file, std::size_t member)
        : ReferenceNetwork(file, "member." + std::to_string(member) + ".", member) {}
    /// The one whose tensors' names begin with `prefix`.
    /// 张量名称以 prefix 开头的网络。
    ReferenceNetwork(const SafetensorsFile& file, std::string prefix, std::size_t member = 0)
        : file_(&file),
          config_(nlohmann::json::parse(file.meta("config"))),
          at_(std::move(prefix)),
          member_(member) {}

    /// The hidden state at the last click.
    /// 最后一次点击处的隐状态。
    Vector run(const std::vector<std::int32_t>& clicks) const { return states(clicks).back(); }

    /// The hidden states at all clicks.
    /// 所有点击处的隐状态。
    Rows states(const std::vector<std::int32_t>& clicks) const {
        Rows x = embed(clicks);
        for (std::size_t layer = 0; layer < size("layers"); ++layer) {
            const std::string block = "block." + std::to_string(layer) + ".";
            const Rows attended = linear(block + "out", attend(block, norm(block + "norm1", x)));
            add(x, attended);
            Rows wide = linear(block + "wide", norm(block + "norm2", x));
            for (Vector& row : wide)
                for (double& v : row)
                    v *= 0.5 * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
            add(x, linear(block + "narrow", wide));
        }
        return norm("norm", x);
    }

  private:
    std::size_t size(const char* name) const { return config_.at(name).get<std::size_t>(); }
    std::span<const float> weight(const std::string& name) const {
        const Tensor& tensor = file_->tensor(name);
        return file_->get<float>(name, tensor.shape);
    }

    static void add(Rows& x, const Rows& y) {
        for (std::size_t r = 0; r < x.size(); ++r)
            for (std::size_t d = 0; d < x[r].size(); ++d) x[r][d] += y[r][d];
    }

    Rows embed(const std::vector<std::int32_t>& clicks) const {
        const std::size_t dim = size("dim"), members = config_.value("members", std::size_t{1});
        const auto items = weight("item.embedding"), lengths = weight("click.length"),
                   positions = weight(at_ + "position.embedding");
        Rows x(clicks.size(), Vector(dim));
        for (std::size_t r = 0; r < clicks.size(); ++r)
            for (std::size_t d = 0; d < dim; ++d) {
                const auto click = static_cast<std::size_t>(clicks[r]);
                x[r][d] = items[(click * members + member_) * dim + d] * std::sqrt(static_cast<double>(dim)) *
                              lengths[click * members + member_] +
                          positions[r * dim + d];
            }
        return x;
    }

    Rows norm(const std::string& name, Rows x) const {
        const auto scale = weight(at_ + name + ".weight"), bias = weight(at_ + name + ".bias");
        for (Vector& row : x) {
            double mean = 0, variance = 0;
            for (const double v : row) mean += v / static_cast<double>(row.size());
            for (const double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(row.size());
            for (std::size_t d = 0; d < row.size(); ++d)
                row[d] = (row[d] - mean) / std::sqrt(variance + 1e-5) * scale[d] + bias[d];
        }
        return x;
    }

    Rows linear(const std::string& name, const Rows& x) const {
        const auto matrix = weight(at_ + name + ".weight"), bias = weight(at_ + name + ".bias");
        Rows y(x.size(), Vector(bias.begin(), bias.end()));
        for (std::size_t r = 0; r < x.size(); ++r)
            for (std::size_t o = 0; o < bias.size(); ++o)
                for (std::size_t i = 0; i < x[r].size(); ++i)
                    y[r][o] += x[r][i] * matrix[o * x[r].size() + i];
        return y;
    }

    Rows attend(const std::string& block, const Rows& x) const {
        const std::size_t dim = size("dim"), heads = size("heads"), width = dim / heads;
        const Rows qkv = linear(block + "qkv", x);
        const auto relative = weight(at_ + block + "relative");
        Rows y(x.size(), Vector(dim));
        for (std::size_t h = 0; h < heads; ++h)
            for (std::size_t q = 0; q < x.size(); ++q) {
                Vector scores(q + 1);
                for (std::size_t k = 0; k <= q; ++k) {
                    for (std::size_t d = h * width; d < (h + 1) * width; ++d)
                        scores[k] += qkv[q][d] * qkv[k][dim + d] / std::sqrt(static_cast<double>(width));
                    scores[k] += relative[h * size("max_len") + q - k];
                }
                const double top = *std::max_element(scores.begin(), scores.end());
                double sum = 0;
                for (double& score : scores) sum += score = std::exp(score - top);
                for (std::size_t k = 0; k <= q; ++k)
                    for (std::size_t d = h * width; d < (h + 1) * width; ++d)
                        y[q][d] += scores[k] / sum * qkv[k][2 * dim + d];
            }
        return y;
    }

    const SafetensorsFile* file_;
    nlohmann::json config_;
    std::string at_;
    std::size_t member_;
};

/// What Encoder::encode gives for a known user and at least one click.
/// Encoder::encode 的对照结果。
inline std::vector<float> reference_encoding(const SafetensorsFile& file, std::vector<std::int32_t> clicks,
                                             std::size_t user) {
    const auto config = nlohmann::json::parse(file.meta("config"));
    const std::size_t dim = config.at("dim"), members = config.at("members"), max_len = config.at("max_len");
    if (clicks.size() > max_len) clicks.erase(clicks.begin(), clicks.end() - static_cast<long>(max_len));
    const auto users = file.get<float>("user.embedding", {-1, static_cast<std::int64_t>(members * dim)});
    std::vector<float> vector;
    for (std::size_t m = 0; m < members; ++m) {
        std::vector<double> slice = ReferenceNetwork(file, m).run(clicks);
        double squares = 0;
        for (std::size_t d = 0; d < dim; ++d) slice[d] += users[(user * members + m) * dim + d];
        for (const double v : slice) squares += v * v;
        for (const double v : slice)
            vector.push_back(static_cast<float>(v / std::sqrt(squares * static_cast<double>(members))));
    }
    return vector;
}

}  // namespace seqrec::testing
