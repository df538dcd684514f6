// The encoder on model files made here, without libtorch; test/trainer/kinds/kinds_test.cpp holds it to
// libtorch.
#include "core/kinds/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "core/kernels/encoder_kernels.hpp"
#include "core/kinds/transformer_context.hpp"
#include "core/kinds/transformer_network.hpp"
#include "encoder_reference.hpp"
#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::TempFolder;

struct Sizes {
    std::int64_t items = 7, users = 3, dim = 8, layers = 2, heads = 2, max_len = 5, members = 1;
};

using Shapes = std::vector<std::pair<std::string, Shape>>;

Shapes shapes_of(const Sizes& s) {
    Shapes shapes = {{"item.embedding", {s.items, s.members * s.dim}},
                     {"user.embedding", {s.users, s.members * s.dim}},
                     {"click.length", {s.items, s.members}}};
    for (std::int64_t i = 0; i < s.members * s.layers; ++i) {
        const std::string member = "member." + std::to_string(i / s.layers) + ".";
        const std::string block = member + "block." + std::to_string(i % s.layers) + ".";
        if (i % s.layers == 0) {
            shapes.emplace_back(member + "position.embedding", Shape{s.max_len, s.dim});
            shapes.emplace_back(member + "norm.weight", Shape{s.dim});
            shapes.emplace_back(member + "norm.bias", Shape{s.dim});
        }
        for (const auto& [name, shape] : Shapes{{"norm1.weight", {s.dim}},
                                                {"norm1.bias", {s.dim}},
                                                {"qkv.weight", {3 * s.dim, s.dim}},
                                                {"qkv.bias", {3 * s.dim}},
                                                {"relative", {s.heads, s.max_len}},
                                                {"out.weight", {s.dim, s.dim}},
                                                {"out.bias", {s.dim}},
                                                {"norm2.weight", {s.dim}},
                                                {"norm2.bias", {s.dim}},
                                                {"wide.weight", {4 * s.dim, s.dim}},
                                                {"wide.bias", {4 * s.dim}},
                                                {"narrow.weight", {s.dim, 4 * s.dim}},
                                                {"narrow.bias", {s.dim}}})
            shapes.emplace_back(block + name, shape);
    }
    return shapes;
}

/// Products leave the size of what they multiply as it is, as in a network that was trained.
float scale_of(const std::string& name, const Shape& shape) {
    return shape.size() == 2 && name.ends_with(".weight") ? 1 / std::sqrt(static_cast<float>(shape[1])) : 1;
}

/// What a model knows of moments: hour, weekday and gap, and a column of devices.
struct TestMoments {
    nlohmann::json columns = nlohmann::json::array();
    std::vector<std::string> values;

    TestMoments() {
        for (const QueryColumn& column : time_columns(0)) {
            columns.push_back(describe_column(column));
            for (std::int32_t v = 0; v < column.count; ++v) values.push_back(std::to_string(v));
        }
        const auto first = static_cast<std::int32_t>(values.size());
        columns.push_back(describe_column({"device", "category", first, 2}));
        values.insert(values.end(), {"phone", "desk"});
    }
    std::int64_t rows() const { return static_cast<std::int64_t>(values.size()); }
    void declare(SafetensorsWriter& writer) const {
        std::int64_t bytes = 0;
        for (const std::string& value : values) bytes += static_cast<std::int64_t>(value.size());
        writer.declare<std::int64_t>("context.value.offsets", {rows() + 1});
        writer.declare<std::uint8_t>("context.value.bytes", {bytes});
    }
    void fill(SafetensorsWriter& writer) const {
        std::size_t end = 0;
        for (std::size_t r = 0; r < values.size(); ++r) {
            std::ranges::copy(values[r], writer.data<std::uint8_t>("context.value.bytes").begin() +
                                             static_cast<std::ptrdiff_t>(end));
            end += values[r].size();
            writer.data<std::int64_t>("context.value.offsets")[r + 1] = static_cast<std::int64_t>(end);
        }
    }
};

/// Writes a model of random weights; `change` may alter the shapes first.
void write_model(const std::string& path, const Sizes& sizes, const std::function<void(Shapes&)>& change = {},
                 const TestMoments* moments = nullptr) {
    Shapes shapes = shapes_of(sizes);
    if (change) change(shapes);
    SafetensorsWriter writer;
    nlohmann::json config = {{"members", sizes.members},
                             {"dim", sizes.dim},
                             {"layers", sizes.layers},
                             {"heads", sizes.heads},
                             {"max_len", sizes.max_len}};
    if (moments) {
        config["context_columns"] = moments->columns;
        config["context_rows"] = moments->rows();
        moments->declare(writer);
    }
    writer.set_metadata("config", config.dump());
    for (const auto& [name, shape] : shapes) writer.declare<float>(name, shape);
    writer.create(path);
    if (moments) moments->fill(writer);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const auto& [name, shape] : shapes)
        for (float& value : writer.data<float>(name)) value = scale_of(name, shape) * normal(random);
    writer.commit();
}

std::vector<float> encode(const Encoder& encoder, std::vector<std::int32_t> clicks, std::int32_t user,
                          Precision precision = Precision::Fast) {
    std::vector<float> out(static_cast<std::size_t>(encoder.dim()));
    encoder.encode({clicks, user}, out, precision);
    return out;
}

float length(const std::vector<float>& vector) {
    float sum = 0;
    for (const float value : vector) sum += value * value;
    return std::sqrt(sum);
}

class EncoderTest : public ::testing::Test {
  protected:
    EncoderTest() : file_((write_model(folder_ / "model", {}), SafetensorsFile::open(folder_ / "model"))) {}
    TempFolder folder_;
    SafetensorsFile file_;
    TransformerEncoder encoder_{file_};
};

TEST_F(EncoderTest, KnowsItsSizes) {
    EXPECT_EQ(encoder_.dim(), 8);
    EXPECT_EQ(encoder_.reach(), 5);
}

TEST_F(EncoderTest, VectorsHaveUnitLength) {
    EXPECT_NEAR(length(encode(encoder_, {1, 2, 3}, 0)), 1, 1e-5);
    EXPECT_NEAR(length(encode(encoder_, {6}, -1)), 1, 1e-5);
}

TEST_F(EncoderTest, WithoutClicksTheUserAnswers) {
    const auto vector = encode(encoder_, {}, 2);
    const auto users = file_.get<float>("user.embedding", {3, 8});
    const std::vector<float> own(users.end() - 8, users.end());
    for (std::size_t d = 0; d < 8; ++d) EXPECT_NEAR(vector[d], own[d] / length(own), 1e-5);
}

TEST_F(EncoderTest, WithNeitherItIsZero) { EXPECT_EQ(encode(encoder_, {}, -1), std::vector<float>(8)); }

TEST_F(EncoderTest, OnlyTheLatestClicksCount) {
    EXPECT_EQ(encode(encoder_, {6, 6, 0, 1, 2, 3, 4}, 1), encode(encoder_, {0, 1, 2, 3, 4}, 1));
    EXPECT_NE(encode(encoder_, {0, 1, 2, 3, 4}, 1), encode(encoder_, {1, 0, 2, 3, 4}, 1));
    EXPECT_NE(encode(encoder_, {0, 1}, 1), encode(encoder_, {0, 1}, -1));
}

TEST_F(EncoderTest, RefusesWhatIsOutOfRange) {
    EXPECT_EQ(error_of([&] { encode(encoder_, {7}, -1); }), "XX000");
    EXPECT_EQ(error_of([&] { encode(encoder_, {-1}, -1); }), "XX000");
    EXPECT_EQ(error_of([&] { encode(encoder_, {1}, 3); }), "XX000");
    std::vector<float> narrow(7);
    EXPECT_EQ(error_of([&] { encoder_.encode({}, narrow, Precision::Fast); }), "XX000");
}

TEST(EncoderFile, NobodyHasToHaveAVector) {
    const TempFolder folder;
    write_model(folder / "model", {}, [](Shapes& shapes) { shapes[1].second.back() = 0; });
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TransformerEncoder encoder(file);
    EXPECT_EQ(encode(encoder, {1, 2}, 0), encode(encoder, {1, 2}, -1));
    EXPECT_EQ(encode(encoder, {}, 2), std::vector<float>(8)) << "nothing is known of users";
    EXPECT_EQ(error_of([&] { encode(encoder, {1}, 3); }), "XX000");
}

TEST(EncoderFile, EveryTensorIsChecked) {
    const TempFolder folder;
    for (std::size_t i = 0; i < shapes_of({}).size(); ++i) {
        write_model(folder / "wrong", {}, [&](Shapes& shapes) { shapes[i].second.back() += 1; });
        const SafetensorsFile file = SafetensorsFile::open(folder / "wrong");
        EXPECT_EQ(error_of([&] { TransformerEncoder{file}; }), "XX001") << shapes_of({})[i].first;
    }
}

TEST(EncoderFile, BadConfigIsRefused) {
    const TempFolder folder;
    const std::vector<Sizes> wrong = {
        {.dim = 0}, {.layers = 0}, {.heads = 3}, {.max_len = 0}, {.members = 0}};
    for (const Sizes& sizes : wrong) {
        write_model(folder / "wrong", sizes);
        const SafetensorsFile file = SafetensorsFile::open(folder / "wrong");
        EXPECT_EQ(error_of([&] { TransformerEncoder{file}; }), "XX001");
    }
}

/// Each member has its slice of the vector, of the same length as every other's.
TEST(EncoderFile, MembersHaveEqualShares) {
    const TempFolder folder;
    write_model(folder / "model", {.members = 3});
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TransformerEncoder encoder(file);
    ASSERT_EQ(encoder.dim(), 24);
    for (const std::int32_t user : {-1, 1})
        for (const std::vector<std::int32_t>& clicks :
             {std::vector<std::int32_t>{}, std::vector<std::int32_t>{3, 1, 4}}) {
            const std::vector<float> vector = encode(encoder, clicks, user);
            const bool known = user >= 0 || !clicks.empty();
            for (std::size_t m = 0; m < 3; ++m)
                EXPECT_NEAR(length({vector.begin() + 8 * m, vector.begin() + 8 * (m + 1)}),
                            known ? 1 / std::sqrt(3.0f) : 0, 1e-5);
        }
}

/// Lengths and widths that fill no whole group of the products' rows and columns.
TEST(EncoderFile, OddSizesWork) {
    const TempFolder folder;
    write_model(folder / "model",
                {.items = 1, .users = 1, .dim = 24, .layers = 1, .heads = 3, .max_len = 53});
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TransformerEncoder encoder(file);
    for (const std::size_t clicks : {1, 5, 6, 7, 53, 60})
        EXPECT_NEAR(length(encode(encoder, std::vector<std::int32_t>(clicks), 0)), 1, 1e-5);
}

std::vector<std::int32_t> some_clicks(std::size_t count, std::int64_t items) {
    std::vector<std::int32_t> clicks(count);
    for (std::size_t i = 0; i < count; ++i)
        clicks[i] = static_cast<std::int32_t>(i * i % static_cast<std::size_t>(items));
    return clicks;
}

/// How far two unit vectors are apart.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(squares);
}

/// Single heads that are folded and that are not, widths and lengths that fill no whole tile or vector.
const Sizes kManySizes[] = {
    {.dim = 1, .heads = 1},
    {.dim = 5, .heads = 1, .max_len = 9},
    {.dim = 7, .heads = 7, .max_len = 20},
    {.dim = 24, .heads = 3, .max_len = 53},
    {.dim = 32, .layers = 3, .heads = 1, .max_len = 40},
    {.dim = 40, .layers = 1, .heads = 1, .max_len = 200, .members = 2},
    {.dim = 64, .layers = 4, .heads = 1, .max_len = 200, .members = 2},
    {.dim = 64, .heads = 4, .max_len = 70},
    {.dim = 96, .heads = 2, .max_len = 33},
    {.dim = 160, .heads = 1, .max_len = 30},
};

/// Every kernel that this CPU runs against the double precision loops of encoder_reference.hpp. Two unit
/// vectors whose cosine is 0.9999 are 0.0141 apart, a tenth of that is one of 0.999999.
TEST(EncoderKernels, AllEqualTheReference) {
    const TempFolder folder;
    for (const Sizes& sizes : kManySizes) {
        write_model(folder / "model", sizes);
        const SafetensorsFile file = SafetensorsFile::open(folder / "model");
        for (const EncoderKernels* kernels : encoder_kernels()) {
            const TransformerEncoder encoder(file, *kernels);
            const double limit = kernels->exact ? 1e-5 : kernels->value_size == 4 ? 0.00141 : 0.0141;
            for (const std::size_t count : {1, 2, 5, 11, 12, 13, 16, 17, 33, 64, 201}) {
                const auto clicks = some_clicks(count, sizes.items);
                EXPECT_LT(distance(encode(encoder, clicks, 1), testing::reference_encoding(file, clicks, 1)),
                          limit)
                    << kernels->name << ", dim " << sizes.dim << ", " << sizes.heads << " heads, " << count;
            }
        }
    }
}

TEST(EncoderKernels, ExactIsFloat) {
    const TempFolder folder;
    write_model(folder / "model", {.dim = 64, .heads = 1, .max_len = 20});
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    EXPECT_EQ(encode(TransformerEncoder(file), {1, 2, 3}, 0, Precision::Exact),
              encode(TransformerEncoder(file, fastest_encoder_kernels(true)), {1, 2, 3}, 0));
    EXPECT_EQ(encode(TransformerEncoder(file), {1, 2, 3}, 0),
              encode(TransformerEncoder(file, fastest_encoder_kernels(false)), {1, 2, 3}, 0));
}

/// The exact weights are packed once, by whichever thread comes first.
TEST(EncoderKernels, ThreadsMayAskForExactTogether) {
    const TempFolder folder;
    write_model(folder / "model", {.dim = 32, .heads = 1});
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    const TransformerEncoder encoder(file);
    std::vector<std::vector<float>> results(4);
    {
        std::vector<std::jthread> threads;
        for (auto& result : results)
            threads.emplace_back([&] { result = encode(encoder, {1, 2}, 0, Precision::Exact); });
    }
    for (const auto& result : results) EXPECT_EQ(result, encode(encoder, {1, 2}, 0, Precision::Exact));
}

/// A model that knows of moments, and what it makes of clicks and a context.
class MomentTest : public ::testing::Test {
  protected:
    MomentTest()
        : file_((write_model(folder_ / "model", kSizes, with_tables, &moments_),
                 SafetensorsFile::open(folder_ / "model"))) {}

    static void with_tables(Shapes& shapes) {
        const std::int64_t rows = TestMoments().rows();
        for (const char* member : {"member.0.", "member.1."}) {
            shapes.emplace_back(std::string(member) + "context.in", Shape{rows, 8});
            shapes.emplace_back(std::string(member) + "context.out", Shape{rows, 8});
        }
    }
    std::vector<float> answer(const std::string& context, std::vector<std::int32_t> clicks = {1, 2, 3},
                              std::vector<std::int32_t> places = {}, std::int32_t user = 0) const {
        const nlohmann::json said = nlohmann::json::parse(context);
        std::vector<float> out(static_cast<std::size_t>(encoder_.dim()));
        encoder_.encode({clicks, user, said.is_null() ? nullptr : &said, places}, out, Precision::Exact);
        return out;
    }

    static constexpr Sizes kSizes{.members = 2};
    TestMoments moments_;
    TempFolder folder_;
    SafetensorsFile file_;
    TransformerEncoder encoder_{file_};
};

TEST_F(MomentTest, WhatIsSaidOfTheQuestionMovesTheAnswer) {
    const auto plain = answer("null");
    EXPECT_NE(answer(R"({"device": "phone"})"), plain);
    EXPECT_NE(answer(R"({"device": "phone"})"), answer(R"({"device": "desk"})"));
    EXPECT_NEAR(length(answer(R"({"device": "phone", "hour": 3})")), 1, 1e-5);
    for (const char* unknown :
         {"{}", R"({"device": "tablet"})", R"({"device": null})", R"({"mood": "phone"})",
          R"({"hour": "noon"})", R"({"time": "noon"})", R"({"clicks": 3})"})
        EXPECT_EQ(answer(unknown), plain) << unknown;
}

TEST_F(MomentTest, IsAddedToTheStateOfEveryMember) {
    const auto plain = answer("null"), phone = answer(R"({"device": "phone"})");
    for (const std::size_t member : {0, 1}) {
        const std::vector<float> a(plain.begin() + static_cast<std::ptrdiff_t>(8 * member),
                                   plain.begin() + static_cast<std::ptrdiff_t>(8 * member + 8)),
            b(phone.begin() + static_cast<std::ptrdiff_t>(8 * member),
              phone.begin() + static_cast<std::ptrdiff_t>(8 * member + 8));
        EXPECT_NE(a, b) << member;
    }
}

TEST_F(MomentTest, TimeTellsHourAndWeekdayByUtc) {
    const auto said = answer(R"({"hour": 22, "weekday": 6})");  // 28 November 2026 is a Saturday
    EXPECT_EQ(answer(R"({"time": "2026-11-28T22:10:00Z"})"), said);
    EXPECT_EQ(answer(R"({"time": "2026-11-29 06:10:00+08"})"), said);
    EXPECT_EQ(answer(R"({"time": 1795903800})"), said);
    EXPECT_NE(answer(R"({"time": 1795903800, "hour": 3})"), said);
    EXPECT_EQ(answer(R"({"time": 1795903800, "hour": 3})"), answer(R"({"hour": 3, "weekday": 6})"));
    EXPECT_NE(answer(R"({"gap": 0})"), answer(R"({"gap": 5000})"));
    EXPECT_EQ(answer(R"({"gap": 5000})"), answer(R"({"gap": 6000})"));  // both 2^12 and more, less than 2^13
    EXPECT_EQ(hour_of(-1), 23);
    EXPECT_EQ(weekday_of(-1), 3);
    EXPECT_EQ(weekday_of(4 * 86400), 1);
}

TEST_F(MomentTest, WithoutClicksNothingIsAdded) {
    EXPECT_EQ(answer(R"({"device": "phone"})", {}), answer("null", {}));
    EXPECT_EQ(answer(R"({"device": "phone"})", {}, {}, -1), std::vector<float>(16));
}

TEST_F(MomentTest, ClicksHaveMomentsOfTheirOwn) {
    const std::string phones = R"({"clicks": [{"device": "phone"}, null, {"device": "desk"}]})";
    const auto plain = answer("null"), said = answer(phones, {1, 2, 3}, {0, 1, 2});
    EXPECT_NE(said, plain);
    EXPECT_EQ(answer(phones), plain) << "without places nobody knows whose they are";
    EXPECT_NE(answer(phones, {1, 2, 3}, {2, 1, 0}), said);
    EXPECT_EQ(answer(phones, {1, 2, 3}, {7, 1, 9}), plain) << "places that the context does not have";
    // the latest five of six
    EXPECT_EQ(answer(R"({"clicks": [{"device": "desk"}, {}, {}, {}, {}, {}]})", {0, 1, 2, 3, 4, 5},
                     {0, 1, 2, 3, 4, 5}),
              answer("null", {0, 1, 2, 3, 4, 5}));
}

TEST_F(MomentTest, NamesWhatItDoesNotKnow) {
    const auto unknown = [&](const char* context) {
        return encoder_.unknown_context(nlohmann::json::parse(context));
    };
    using Names = std::vector<std::string>;
    EXPECT_EQ(unknown(R"({"device": "phone", "time": 0, "hour": 1, "gap": 2, "clicks": []})"), Names{});
    EXPECT_EQ(unknown(R"({"device": "tablet", "mood": 1, "time": "x", "clicks": 1})"),
              (Names{"clicks", "device", "mood", "time"}));
    write_model(folder_ / "old", {});
    const SafetensorsFile old = SafetensorsFile::open(folder_ / "old");
    EXPECT_EQ(TransformerEncoder(old).unknown_context(nlohmann::json::parse(R"({"device": "phone"})")),
              Names{"device"});
}

TEST_F(MomentTest, AModelWithoutAnswersAsBefore) {
    write_model(folder_ / "old", kSizes);
    const SafetensorsFile old = SafetensorsFile::open(folder_ / "old");
    const TransformerEncoder encoder(old);
    const nlohmann::json said = {{"device", "phone"}};
    const std::vector<std::int32_t> clicks = {1, 2, 3};
    std::vector<float> with(16), without(16);
    encoder.encode({clicks, 0, &said}, with, Precision::Fast);
    encoder.encode({clicks, 0}, without, Precision::Fast);
    EXPECT_EQ(with, without);
}

TEST_F(MomentTest, RefusesDamagedModels) {
    const auto refused = [&](const std::function<void(Shapes&)>& change) {
        write_model(folder_ / "bad", kSizes, change, &moments_);
        const SafetensorsFile bad = SafetensorsFile::open(folder_ / "bad");
        return error_of([&] { TransformerEncoder encoder(bad); });
    };
    EXPECT_EQ(refused({}), sqlstate::kDataCorrupted) << "no tables";
    EXPECT_EQ(refused([](Shapes& shapes) {
                  with_tables(shapes);
                  shapes.back().second = {3, 8};
              }),
              sqlstate::kDataCorrupted);
    moments_.columns.back()["first"] = 1000;
    EXPECT_EQ(refused(with_tables), sqlstate::kDataCorrupted);
}

}  // namespace
}  // namespace seqrec
