// How long Encoder::encode takes and what share of this CPU's multiplications it uses; bench/encoder.py runs
// it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include "core/kinds/transformer.hpp"
#include "core/kinds/transformer_network.hpp"

namespace seqrec {
namespace {

constexpr std::int64_t kDim = 64, kMaxLen = 200, kItems = 3416, kUsers = 100;

struct Depth {
    std::int64_t members, layers;
};

/// How long a measurement may go on.
struct Budget {
    double seconds;
};

/// The least time of a call in microseconds: what others on the machine add is left out.
template <typename Work>
double least_time(Budget budget, Work work) {
    using Clock = std::chrono::steady_clock;
    double best = 1e300;
    for (const auto begin = Clock::now();
         Clock::now() - begin < std::chrono::duration<double>(budget.seconds);) {
        const auto start = Clock::now();
        work();
        best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    return best;
}

using Shapes = std::vector<std::pair<std::string, Shape>>;

Shapes shapes_of(Depth depth) {
    Shapes shapes{{"item.embedding", {kItems, depth.members * kDim}},
                  {"user.embedding", {kUsers, depth.members * kDim}},
                  {"click.length", {kItems, depth.members}}};
    for (std::int64_t m = 0; m < depth.members; ++m) {
        const std::string member = "member." + std::to_string(m) + ".";
        shapes.emplace_back(member + "position.embedding", Shape{kMaxLen, kDim});
        shapes.emplace_back(member + "norm.weight", Shape{kDim});
        shapes.emplace_back(member + "norm.bias", Shape{kDim});
        for (std::int64_t layer = 0; layer < depth.layers; ++layer) {
            const std::string block = member + "block." + std::to_string(layer) + ".";
            for (const char* name :
                 {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "out.bias", "narrow.bias"})
                shapes.emplace_back(block + name, Shape{kDim});
            shapes.emplace_back(block + "qkv.weight", Shape{3 * kDim, kDim});
            shapes.emplace_back(block + "qkv.bias", Shape{3 * kDim});
            shapes.emplace_back(block + "relative", Shape{1, kMaxLen});
            shapes.emplace_back(block + "out.weight", Shape{kDim, kDim});
            shapes.emplace_back(block + "wide.weight", Shape{4 * kDim, kDim});
            shapes.emplace_back(block + "wide.bias", Shape{4 * kDim});
            shapes.emplace_back(block + "narrow.weight", Shape{kDim, 4 * kDim});
        }
    }
    return shapes;
}

void write_model(const std::string& path, Depth depth) {
    SafetensorsWriter writer;
    writer.set_metadata("config", nlohmann::json{{"members", depth.members},
                                                 {"dim", kDim},
                                                 {"layers", depth.layers},
                                                 {"heads", 1},
                                                 {"max_len", kMaxLen}}
                                      .dump());
    const Shapes shapes = shapes_of(depth);
    for (const auto& [name, shape] : shapes) writer.declare<float>(name, shape);
    writer.create(path);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const auto& [name, shape] : shapes)
        for (float& value : writer.data<float>(name))
            value = normal(random) / std::sqrt(static_cast<float>(shape.back()));
    writer.commit();
}

/// Additions and multiplications of the products of one encoding as the encoder does them: a single head is
/// folded (10 dim^2 products a position instead of 12), keys later than the query are left out, and the last
/// layer has one query.
double work_of(Depth depth, std::int64_t clicks) {
    const auto positions = static_cast<double>(clicks), dim = static_cast<double>(kDim);
    const double full = 10 * dim * dim * positions + 2 * dim * positions * (positions + 1) / 2;
    const double last = 10 * dim * dim + 2 * dim * positions;
    return 2 * static_cast<double>(depth.members) * (static_cast<double>(depth.layers - 1) * full + last);
}

/// GFLOP/s of these kernels in a product large enough to hide all else.
double large_product_rate(const EncoderKernels& kernels, Budget budget) {
    constexpr std::ptrdiff_t kRows = 240, kSide = 512;
    const std::vector<float> weights(kSide * kSide, 0.5f), bias(kSide);
    const AlignedMemory packed(static_cast<std::size_t>(kernels.packed_size(kSide, kSide)));
    const AlignedMemory scratch(static_cast<std::size_t>(kernels.product_scratch(kRows, kSide)));
    const AlignedMemory x(kRows * kSide * sizeof(float)), y(kRows * kSide * sizeof(float));
    kernels.pack(weights.data(), kSide, kSide, 1, packed.data());
    std::fill_n(x.floats(), kRows * kSide, 0.0f);
    const double time = least_time(budget, [&] {
        kernels.product({x.data(), kSide, kRows, kSide, packed.data(), bias.data(), kSide, y.data(), kSide,
                         scratch.data()});
    });
    return 2.0 * kRows * kSide * kSide / time / 1e3;
}

nlohmann::json measure(const Encoder& encoder, Depth depth, Precision precision, double rate, Budget budget) {
    nlohmann::json results = nlohmann::json::array();
    for (const std::int64_t count : {1, 20, 200}) {
        std::vector<std::int32_t> clicks;
        for (std::int64_t i = 0; i < count; ++i) clicks.push_back(static_cast<std::int32_t>(i * 37 % kItems));
        std::vector<float> out(static_cast<std::size_t>(encoder.dim()));
        encoder.encode({clicks, 1}, out, precision);
        const double time = least_time(budget, [&] { encoder.encode({clicks, 1}, out, precision); });
        const double gflops = work_of(depth, count) / time / 1e3;
        results.push_back({{"members", depth.members},
                           {"layers", depth.layers},
                           {"clicks", count},
                           {"microseconds", time},
                           {"gflops", gflops},
                           {"ratio", gflops / rate}});
    }
    return results;
}

nlohmann::json run(const std::string& folder, Budget budget) {
    nlohmann::json result;
    for (const Precision precision : {Precision::Fast, Precision::Exact}) {
        const EncoderKernels& kernels = fastest_encoder_kernels(precision == Precision::Exact);
        const double rate = large_product_rate(kernels, budget);
        nlohmann::json& part = result[precision == Precision::Exact ? "exact" : "fast"];
        part = {{"kernels", kernels.name}, {"large_product_gflops", rate}};
        for (const Depth depth : {Depth{1, 2}, Depth{1, 4}, Depth{2, 4}}) {
            const std::string path =
                folder + "/" + std::to_string(depth.members) + "x" + std::to_string(depth.layers);
            write_model(path, depth);
            const SafetensorsFile file = SafetensorsFile::open(path);
            part["construction_microseconds"] =
                least_time(budget, [&] { TransformerEncoder(file, kernels); });
            for (auto& row : measure(TransformerEncoder(file), depth, precision, rate, budget))
                part["encodings"].push_back(std::move(row));
        }
    }
    return result;
}

}  // namespace
}  // namespace seqrec

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 0.5;
    const auto folder =
        std::filesystem::temp_directory_path() / ("seqrec-encoder-bench-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder);
    const nlohmann::json result = seqrec::run(folder, {seconds});
    std::filesystem::remove_all(folder);
    std::puts(result.dump(2).c_str());
}
