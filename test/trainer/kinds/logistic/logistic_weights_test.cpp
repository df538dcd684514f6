// What is served against what was trained, through a snapshot and the encoder of core/.
#include "kinds/logistic/logistic_weights.hpp"

#include <optional>

#include "core/recommend.hpp"
#include "files/model_file.hpp"
#include "kinds/shared/numbers.hpp"
#include "rich_design.hpp"
#include "snapshots.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;
using testing::Rich;
using testing::Wanted;

constexpr Calibration kCalibration{0.8, 0.3};

/// Weights of random coefficients, served.
struct Served {
    Rich rich;
    std::vector<float> at;
    seqrec::testing::TempFolder folder;
    std::optional<Snapshot> snapshot;

    explicit Served(const Wanted& wanted, const json& options = {})
        : rich(wanted, options), at(rich.coefficients()) {
        for (std::size_t i = 0; i < at.size(); ++i)
            if (is_age_of_clicked(rich.design.group_of()[i])) at[i] = 0;
        const LogisticWeights weights(rich.shop.data, rich.design, rich.passes, at, kCalibration, {});
        json config = rich.options;
        config.update(weights.config());
        write_model(folder / "model", {kLogistic, config, json::object()}, weights, rich.shop.data, nullptr);
        testing::Names names;
        for (std::int64_t i = 0; i < testing::kRichItems; ++i)
            names.items.push_back(testing::numbered("i", i));
        for (int u = 0; u < testing::kRichUsers; ++u) names.users.push_back(testing::numbered("u", u));
        testing::write_snapshot(SafetensorsFile::open(folder / "model"), names, folder / "snapshot");
        snapshot.emplace(Snapshot::open(folder / "snapshot"));
    }

    /// What was clicked has no age: such a coefficient stays 0 in a training.
    bool is_age_of_clicked(std::uint16_t group) const {
        return group != Design::kOff && rich.design.groups()[group].name.ends_with("clicked made");
    }
    static json value_of(const testing::TestColumn& column, std::int64_t row) {
        const auto at = static_cast<std::size_t>(row);
        if (column.type == "category") return column.values[at].empty() ? json() : json(column.values[at]);
        return std::isnan(column.numbers[at]) ? json() : json(column.numbers[at]);
    }
    /// What was known of an interaction, and of its user if she is to be a stranger.
    json context_of(std::int64_t row, std::int64_t stranger = -1) const {
        json context = json::object();
        for (const auto& column : rich.content.event) context[column.name] = value_of(column, row);
        for (const auto& column : rich.content.user)
            if (stranger >= 0) context[column.name] = value_of(column, stranger);
        return context;
    }
    double score(std::span<const std::int32_t> clicks, std::int32_t user, const json& context,
                 std::int32_t item) const {
        return static_cast<double>(
            own_score(*snapshot, query_after(*snapshot, {clicks, user, &context}, true), item));
    }
    double expected(std::int64_t user, std::int64_t place, std::int32_t item) const {
        return kCalibration.slope * (slow_logit(rich, at, user, place, item) -
                                     static_cast<double>(rich.passes.correction(item))) +
               kCalibration.shift + static_cast<double>(rich.passes.correction(item));
    }

    /// visit(user, place, row, item), of every interaction.
    template <typename Visit>
    void for_each(const Visit& visit) const {
        const std::vector<std::int64_t> rows = rich.shop.data.rows_of_sequences();
        for (std::int64_t u = 0; u < rich.shop.data.users(); ++u)
            for (std::size_t at = 0; at < rich.shop.data.sequence(u).size(); ++at)
                visit(static_cast<std::int32_t>(u), static_cast<std::int64_t>(at),
                      rows[static_cast<std::size_t>(rich.shop.data.offsets()[static_cast<std::size_t>(u)]) +
                           at],
                      rich.shop.data.sequence(u)[at]);
    }
};

const std::vector<json> kDesigns = {json::object(), {{"ids", false}}, {{"crosses", "none"}}};

/// Nothing of these depends on the time; without labels the draws' share is added again.
TEST(LogisticWeights, ServeTheCalibratedLogit) {
    for (const bool labels : {true, false})
        for (const json& options : kDesigns) {
            const Served served(Wanted{.labels = labels, .times = false}, options);
            served.for_each([&](std::int32_t user, std::int64_t place, std::int64_t row, std::int32_t item) {
                const auto clicks =
                    served.rich.shop.data.sequence(user).first(static_cast<std::size_t>(place));
                EXPECT_NEAR(served.score(clicks, user, served.context_of(row), item),
                            served.expected(user, place, item), 1e-4)
                    << options << user << " " << place;
            });
        }
}

/// The outcomes are the same pairs.
TEST(LogisticWeights, ProbabilitiesAreThoseOfThePasses) {
    const Served served(Wanted{.times = false});
    const auto outcomes = served.rich.passes.outcomes({Of::All}, served.at);
    std::size_t next = 0;
    served.for_each([&](std::int32_t user, std::int64_t place, std::int64_t row, std::int32_t item) {
        const auto event =
            served.rich.design.event(served.rich.shop.data.offsets()[static_cast<std::size_t>(user)] + place);
        if (event.positive < 0 || !(event.weight > 0)) return;
        const auto logit = static_cast<double>(outcomes[next++].logit);
        if (place > 0) return;
        EXPECT_NEAR(sigmoid(served.score({}, user, served.context_of(row), item)),
                    sigmoid(kCalibration.slope * logit + kCalibration.shift), 1e-5);
    });
    EXPECT_EQ(next, outcomes.size());
}

/// Who was not there at training, and tells what users' columns would have.
TEST(LogisticWeights, AStrangerWithAUsersFeaturesIsThatUserWithoutIds) {
    const Served served(Wanted{.times = false}, {{"ids", false}});
    served.for_each([&](std::int32_t user, std::int64_t place, std::int64_t row, std::int32_t item) {
        const auto clicks = served.rich.shop.data.sequence(user).first(static_cast<std::size_t>(place));
        EXPECT_NEAR(served.score(clicks, -1, served.context_of(row, user), item),
                    served.expected(user, place, item), 1e-4);
    });
}

/// What the trainer measures, and what of a file it reads again.
TEST(LogisticWeights, QueriesAreTheEncoders) {
    const Served served(Wanted{});
    const SafetensorsFile file = SafetensorsFile::open(served.folder / "model");
    const LogisticWeights again(file);
    const LogisticWeights weights(served.rich.shop.data, served.rich.design, served.rich.passes, served.at,
                                  kCalibration, {});
    const LogisticEncoder encoder(file);
    const std::vector<std::int32_t> clicks = {3, 1, 4, 1, 5};
    for (const std::int32_t user : {-1, 0, 7}) {
        std::vector<float> query(static_cast<std::size_t>(encoder.dim()));
        encoder.encode({clicks, user}, query, Precision::Exact);
        for (const LogisticWeights* each : {&weights, &again}) {
            const at::Tensor row = each->encode({clicks}, {user});
            for (std::size_t d = 0; d < query.size(); ++d) EXPECT_EQ(row.data_ptr<float>()[d], query[d]);
        }
    }
    EXPECT_TRUE(at::equal(again.item_rows(), weights.item_rows()));
    EXPECT_TRUE(at::equal(again.user_rows(), weights.user_rows()));
    EXPECT_EQ(again.tensors().size(), weights.tensors().size());
}

/// Ages of what is served are counted to the end of the data.
TEST(LogisticWeights, TimesAreThoseOfTheEnd) {
    const Served served(Wanted{});
    std::int64_t last = 0;  // the latest interaction of all is the last user's
    served.for_each([&](std::int32_t user, std::int64_t place, std::int64_t row, std::int32_t item) {
        if (user + 1 < testing::kRichUsers) return;
        const auto clicks = served.rich.shop.data.sequence(user).first(static_cast<std::size_t>(place));
        if (place + 1 < static_cast<std::int64_t>(served.rich.shop.data.sequence(user).size())) return;
        last = row;
        EXPECT_NEAR(served.score(clicks, user, served.context_of(row), item),
                    served.expected(user, place, item), 1e-4);
    });
    EXPECT_EQ(last + 1, served.rich.shop.data.rows());
}

TEST(LogisticWeights, FilesThatLackATensorAreDamage) {
    const Served served(Wanted{});
    const SafetensorsFile file = SafetensorsFile::open(served.folder / "model");
    for (const char* name : {"feature.rows", "affinity", "feature.user.rows", "feature.value.bytes"}) {
        std::vector<NamedTensor> rest;
        for (const auto& [other, tensor] : file.tensors())
            if (other != name && !other.starts_with("pad.") && other != "checksum")
                rest.push_back({other, read_tensor(file, other)});
        write_tensors(served.folder / "less", {{"config", file.meta("config")}}, rest);
        const SafetensorsFile less = SafetensorsFile::open(served.folder / "less");
        EXPECT_EQ(seqrec::testing::error_of([&] { LogisticWeights{less}; }), "XX001") << name;
    }
}

}  // namespace
}  // namespace seqrec::trainer
