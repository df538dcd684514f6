// The encoder of a variational auto-encoder on a small file, against the formula in double precision; and what is no
// such file.
#include "core/kinds/vae.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "core/kernels/encoder_kernels.hpp"
#include "encoder_reference.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::TempFolder;
using Vector = std::vector<double>;

constexpr std::int64_t kItems = 7, kUsers = 3, kDim = 8, kLatent = 5, kHeads = 2, kLength = 6, kLayers = 2;

/// What a file holds; change anything, then write().
struct Model {
    std::map<std::string, std::vector<float>> floats;
    std::map<std::string, Shape> shapes;
    json config = {{"dim", kDim},     {"latent", kLatent},  {"layers", kLayers},
                   {"heads", kHeads}, {"max_len", kLength}, {"attention", true}};

    explicit Model(bool attention = true) {
        config["attention"] = attention;
        fill("item.embedding", {kItems, kDim});
        fill("click.length", {kItems, 1});
        shapes["user.embedding"] = {kUsers, 0};
        fill("network.position.embedding", {kLength, kDim});
        for (std::int64_t layer = 0; layer < kLayers; ++layer)
            fill_block("network.block." + std::to_string(layer) + ".");
        fill("network.norm.weight", {kDim});
        fill("network.norm.bias", {kDim});
        fill("latent.mean.weight", {kLatent, kDim});
        fill("latent.mean.bias", {kLatent});
        fill("latent.variance.weight", {kLatent, kDim});
        fill("latent.variance.bias", {kLatent});
        if (attention) {
            fill("attention.query.weight", {kDim, kDim});
            fill("attention.query.bias", {kDim});
            fill("attention.key.weight", {kDim, kDim});
            fill("attention.score", {kDim}, 4);  // far from a mean of all
        }
        const std::int64_t input = attention ? 2 * kLatent : kLatent;
        fill("decoder.wide.weight", {4 * kDim, input});
        fill("decoder.wide.bias", {4 * kDim});
        fill("decoder.narrow.weight", {kDim, 4 * kDim});
        fill("decoder.skip.weight", {kDim, input});
        fill("decoder.bias", {kDim});
    }

    std::vector<std::byte> packed;  // none: as a model file has it

    /// As a snapshot has them.
    void pack() {
        const auto source = [&](const std::string& name, const Shape&) {
            return std::span<const float>(floats.at(name));
        };
        packed.resize(kVae.packing->size(config.dump(), source));
        kVae.packing->fill(config.dump(), source, packed);
    }

    void write(const std::string& path) const {
        SafetensorsWriter writer;
        if (!packed.empty())
            writer.declare<std::uint8_t>(kVae.packing->name(), {static_cast<std::int64_t>(packed.size())});
        writer.set_metadata("config", config.dump());
        for (const auto& [name, shape] : shapes) writer.declare<float>(name, shape);
        writer.create(path);
        for (const auto& [name, values] : floats)
            if (shapes.contains(name)) {
                const auto to = writer.data<float>(name);
                std::copy_n(values.begin(), std::min(to.size(), values.size()), to.begin());
            }
        if (!packed.empty()) std::ranges::copy(packed, writer.bytes(kVae.packing->name()).begin());
        writer.commit();
    }

  private:
    void fill_block(const std::string& at) {
        for (const char* norm : {"norm1", "norm2"}) {
            fill(at + norm + ".weight", {kDim});
            fill(at + norm + ".bias", {kDim});
        }
        fill(at + "qkv.weight", {3 * kDim, kDim});
        fill(at + "qkv.bias", {3 * kDim});
        fill(at + "relative", {kHeads, kLength});
        fill(at + "out.weight", {kDim, kDim});
        fill(at + "out.bias", {kDim});
        fill(at + "wide.weight", {4 * kDim, kDim});
        fill(at + "wide.bias", {4 * kDim});
        fill(at + "narrow.weight", {kDim, 4 * kDim});
        fill(at + "narrow.bias", {kDim});
    }

    void fill(const std::string& name, Shape shape, float scale = 1) {
        std::int64_t count = 1;
        for (const std::int64_t n : shape) count *= n;
        for (std::int64_t i = 0; i < count; ++i) {
            next_ = std::fmod(next_ * 1.7f + 0.3f, 1.0f);
            floats[name].push_back(scale * (next_ - 0.5f));
        }
        shapes[name] = std::move(shape);
    }

    float next_ = 0.5f;
};

struct Answer {
    std::vector<float> query;
    bool known;
};

class VaeTest : public ::testing::TestWithParam<bool> {
  protected:
    void open() {
        model_.write(folder_ / "model");
        encoder_.reset();
        file_.emplace(SafetensorsFile::open(folder_ / "model"));
        encoder_.emplace(*file_);
    }
    void SetUp() override { open(); }
    bool attends() const { return GetParam(); }

    Answer ask(const std::vector<std::int32_t>& clicks, std::int32_t user = -1,
               const VaeEncoder* encoder = nullptr) const {
        Answer answer{std::vector<float>(kDim, 9.0f), false};
        answer.known =
            (encoder ? *encoder : *encoder_).encode({clicks, user}, answer.query, Precision::Exact).known;
        return answer;
    }

    Vector row(const std::string& name, std::int64_t at, std::int64_t width) const {
        const auto begin = model_.floats.at(name).begin() + at * width;
        return {begin, begin + width};
    }
    static double dot(const Vector& a, const Vector& b) {
        double sum = 0;
        for (std::size_t d = 0; d < a.size(); ++d) sum += a[d] * b[d];
        return sum;
    }
    Vector product(const std::string& name, const Vector& x, std::int64_t rows, bool bias) const {
        Vector y;
        for (std::int64_t r = 0; r < rows; ++r)
            y.push_back(dot(row(name + ".weight", r, std::ssize(x)), x) +
                        (bias ? row(name + ".bias", r, 1)[0] : 0));
        return y;
    }

    /// sum_i a_i mean(h_i), a = softmax_i(v . tanh(W h_t + b + U h_i)).
    Vector attended(const std::vector<Vector>& states) const {
        const Vector query = product("attention.query", states.back(), kDim, true),
                     score = row("attention.score", 0, kDim);
        Vector sum(kLatent);
        double total = 0;
        for (const Vector& state : states) {
            Vector inner = product("attention.key", state, kDim, false);
            for (std::size_t d = 0; d < inner.size(); ++d) inner[d] = std::tanh(inner[d] + query[d]);
            const double weight = std::exp(dot(inner, score));
            const Vector mean = product("latent.mean", state, kLatent, true);
            for (std::size_t z = 0; z < sum.size(); ++z) sum[z] += weight * mean[z];
            total += weight;
        }
        for (double& x : sum) x /= total;
        return sum;
    }

    /// The query of these clicks by the definition.
    Vector wanted(const std::vector<std::int32_t>& clicks) const {
        const auto states = testing::ReferenceNetwork(*file_, "network.").states(clicks);
        Vector input = product("latent.mean", states.back(), kLatent, true);
        if (attends())
            for (const double x : attended(states)) input.push_back(x);
        Vector inner = product("decoder.wide", input, 4 * kDim, true);
        for (double& x : inner) x *= 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        Vector query = product("decoder.narrow", inner, kDim, false);
        const Vector skip = product("decoder.skip", input, kDim, false);
        for (std::size_t d = 0; d < query.size(); ++d)
            query[d] = (d < kLatent ? input[d] : 0) +
                       0.1 * (query[d] + skip[d] + row("decoder.bias", static_cast<std::int64_t>(d), 1)[0]);
        const double length = std::sqrt(dot(query, query));
        for (double& x : query) x /= length;
        return query;
    }

    static void expect(const Answer& answer, const Vector& expected) {
        EXPECT_TRUE(answer.known);
        for (std::size_t d = 0; d < expected.size(); ++d)
            EXPECT_NEAR(answer.query[d], expected[d], 1e-5) << d;
    }
    void expect_corrupted(const std::function<void()>& damage) {
        const Model whole = model_;
        damage();
        EXPECT_EQ(error_of([&] { open(); }), sqlstate::kDataCorrupted);
        model_ = whole;
    }

    TempFolder folder_;
    Model model_{attends()};
    std::optional<SafetensorsFile> file_;
    std::optional<VaeEncoder> encoder_;
};

TEST_P(VaeTest, AnswersByTheFormula) {
    EXPECT_EQ(encoder_->dim(), kDim);
    EXPECT_EQ(encoder_->reach(), kLength);
    for (const std::vector<std::int32_t>& clicks :
         {std::vector<std::int32_t>{3}, {1, 4, 2}, {0, 5, 1, 4, 2, 6}})
        expect(ask(clicks), wanted(clicks));
    expect(ask({3, 3, 0, 5, 1, 4, 2, 6}), wanted({0, 5, 1, 4, 2, 6}));  // the latest
    expect(ask({1, 4, 2}, 2), wanted({1, 4, 2}));                       // whoever asks
}

TEST_P(VaeTest, EveryKernelAnswersAlike) {
    for (const EncoderKernels* kernels : encoder_kernels()) {
        const VaeEncoder encoder(*file_, *kernels);
        const Answer answer = ask({0, 5, 1, 4}, -1, &encoder);
        const Vector expected = wanted({0, 5, 1, 4});
        double cosine = 0;
        for (std::size_t d = 0; d < expected.size(); ++d) cosine += answer.query[d] * expected[d];
        EXPECT_GT(cosine, kernels->exact ? 0.999999 : 0.999) << kernels->name;
    }
}

TEST_P(VaeTest, WithoutClicksNothingIsKnown) {
    for (const std::int32_t user : {-1, 0, 2}) {
        const Answer answer = ask({}, user);
        EXPECT_FALSE(answer.known) << user;
        EXPECT_TRUE(std::ranges::all_of(answer.query, [](float x) { return x == 0; })) << user;
    }
}

TEST_P(VaeTest, WrongIndexesAreRefused) {
    EXPECT_EQ(error_of([&] { ask({kItems}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({-1}); }), sqlstate::kInternal);
    EXPECT_EQ(error_of([&] { ask({1}, kUsers); }), sqlstate::kInternal);
    std::vector<float> small(kDim - 1);
    const std::vector<std::int32_t> clicks = {1};
    EXPECT_EQ(error_of([&] { encoder_->encode({clicks, -1}, small, Precision::Fast); }), sqlstate::kInternal);
}

/// What a snapshot holds is read and not made anew, and answers the same to the last bit.
TEST_P(VaeTest, PackedWeightsAreThoseOfTheFile) {
    const auto query = [&] {
        std::vector<float> said(kDim);
        const std::vector<std::int32_t> clicks = {1, 2};
        (void)encoder_->encode({clicks, -1}, said, Precision::Fast);
        return said;
    };
    const std::vector<float> before = query();
    model_.pack();
    open();
    EXPECT_EQ(query(), before);
    std::ranges::fill(model_.packed, std::byte{0});
    open();
    EXPECT_NE(query(), before);
    model_.packed.pop_back();
    EXPECT_EQ(error_of([&] { open(); }), sqlstate::kDataCorrupted);
}

TEST_P(VaeTest, DamagedFilesAreRefused) {
    for (const char* name : {"dim", "latent", "layers", "heads", "max_len", "attention"}) {
        expect_corrupted([&] { model_.config.erase(name); });
        expect_corrupted([&] { model_.config[name] = -1; });
        expect_corrupted([&] { model_.config[name] = "8"; });
    }
    expect_corrupted([&] { model_.config["heads"] = 3; });
    expect_corrupted([&] { model_.config["layers"] = 3; });
    expect_corrupted([&] { model_.config["latent"] = 4; });
    expect_corrupted([&] { model_.config["attention"] = !attends(); });
    for (const auto& [name, shape] : Model(attends()).shapes) {
        expect_corrupted([&] { model_.shapes.erase(name); });
        if (name != "item.embedding" && name != "user.embedding")
            expect_corrupted([&] { ++model_.shapes[name][shape.size() - 1]; });
    }
}

INSTANTIATE_TEST_SUITE_P(Vae, VaeTest, ::testing::Bool(), [](const auto& info) {
    return info.param ? "with_attention" : "without_attention";
});

TEST(Vae, OptionsAreChecked) {
    EXPECT_EQ(resolve_options("vae", {{"loss", "mse"}, {"attention", false}}).at("attention"), false);
    for (const json& wrong : {json{{"loss", "bce"}},
                              {{"beta", -1}},
                              {{"latent", 0}},
                              {{"dim", 12}},
                              {{"attention", "yes"}},
                              {{"members", 2}}})
        EXPECT_EQ(error_of([&] { resolve_options("vae", wrong); }), sqlstate::kInvalidParameter) << wrong;
}

}  // namespace
}  // namespace seqrec
