// A design that has all there can be: every type on every side, missing ones, wide columns, labels, weights.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "featured_shop.hpp"
#include "kinds/logistic/passes.hpp"

namespace seqrec::trainer::testing {

inline constexpr std::int64_t kRichItems = 70, kRichUsers = 20;

/// What a rich dataset has.
/// 数据集的内容。
struct Wanted {
    bool labels = true, times = true;
    int users = kRichUsers;
};

inline std::string one_of(Random& random, const char* letters, std::size_t count) {
    return {letters[random.below(count)]};
}

inline std::vector<std::string> several_of(Random& random, const std::vector<std::string>& all) {
    std::vector<std::string> some;
    for (const std::string& one : all)
        if (random.below(2) == 0) some.push_back(one);
    return some;
}

/// Makers and words are single values, and more than have slots.
inline FeaturedData rich_data(const Wanted& wanted = {}) {
    Random random(11);
    FeaturedData data{{}, kRichItems};
    TestColumn price{"price", "number"}, genres{"genres", "category"}, maker{"maker", "category"},
        made{"made", "time"}, gender{"gender", "category"}, age{"age", "number"}, joined{"joined", "time"},
        likes{"likes", "category"}, place{"place", "category"}, word{"word", "category"};
    for (std::int64_t i = 0; i < kRichItems; ++i) {
        price.numbers.push_back(i % 9 == 0 ? kMissing : static_cast<double>(random.below(4)));
        genres.values.push_back(several_of(random, {"a", "b", "c"}));
        maker.values.push_back({numbered("m", i)});
        made.numbers.push_back(static_cast<double>(random.below(3)) * -40);
    }
    for (int u = 0; u < wanted.users; ++u) {
        gender.values.push_back({one_of(random, "fm", 2)});
        age.numbers.push_back(u % 5 == 0 ? kMissing : static_cast<double>(random.below(3)) * 10);
        likes.values.push_back(several_of(random, {"p", "q", "r"}));
        joined.numbers.push_back(static_cast<double>(random.below(3)) * -30);
        data.sequences.emplace_back();
        for (std::uint64_t left = 3 + random.below(4); left > 0; --left) {
            data.sequences.back().push_back(static_cast<std::int32_t>(random.below(kRichItems)));
            place.values.push_back(random.below(6) == 0 ? std::vector<std::string>()
                                                        : std::vector{one_of(random, "xyz", 3)});
            word.values.push_back({numbered("w", static_cast<std::int64_t>(word.values.size()) % 75)});
            if (wanted.labels)
                data.labels.push_back(random.below(9) == 0 ? NAN : static_cast<float>(random.below(2)));
            data.weights.push_back(random.below(9) == 0 ? 0 : 0.5f + static_cast<float>(random.below(3)));
        }
    }
    data.item = {price, genres, maker};
    data.user = {gender, age, likes};
    data.event = {place, word};
    if (wanted.times) data.item.push_back(made), data.user.push_back(joined);
    return data;
}

/// All options of the kind, those given and else the defaults; null gives none.
/// 该类型的全部选项，未给出者取默认值。
inline nlohmann::json logistic_options(const nlohmann::json& given = {}) {
    nlohmann::json options = {{"threads", 1}, {"seed", 5}};
    if (given.is_object()) options.update(given);
    return resolve_options("logistic", options);
}

inline DatasetOptions split_by(Split split) {
    DatasetOptions options = with_repeats("keep");
    options.split = split;
    return options;
}

/// A dataset, its design and passes over it.
/// 数据集、设计与遍历。
struct Rich {
    FeaturedData content;
    FeaturedShop shop;
    nlohmann::json options;
    Design design;
    Workers workers;
    Passes passes;

    explicit Rich(FeaturedData given, const nlohmann::json& chosen = {}, int threads = 1,
                  Split split = Split::LeaveOneOut)
        : content(std::move(given)),
          shop(content, split_by(split)),
          options(logistic_options(chosen)),
          design(shop.data, options),
          workers(threads),
          passes(shop.data, design, options.at("negatives"), options.at("seed"), workers) {}
    explicit Rich(const Wanted& wanted, const nlohmann::json& chosen = {}, int threads = 1,
                  Split split = Split::LeaveOneOut)
        : Rich(rich_data(wanted), chosen, threads, split) {}

    /// Coefficients that are always the same; those that are off are 0.
    /// 固定的随机系数；关闭者为 0。
    std::vector<float> coefficients(double scale = 0.3) const {
        Random random(3);
        std::vector<float> all;
        for (const std::uint16_t group : design.group_of()) {
            const double x = scale * (2 * random.uniform() - 1);
            all.push_back(group == Design::kOff ? 0 : static_cast<float>(x));
        }
        return all;
    }
};

/// The logit of an item at a place of a user's sequence, by the formula at the top of design.hpp in doubles.
/// 按 design.hpp 开头的公式，以双精度直接计算的 logit。
inline double slow_logit(const Rich& rich, std::span<const float> at, std::int64_t user, std::int64_t place,
                         std::int64_t item) {
    const Design& design = rich.design;
    const Layout& layout = design.layout();
    const auto sequence = rich.shop.data.sequence(user);
    const Design::Event event =
        design.event(rich.shop.data.offsets()[static_cast<std::size_t>(user)] + place);
    const auto w = [&](std::int64_t index) {
        return static_cast<double>(at[static_cast<std::size_t>(index)]);
    };
    std::vector<double> x(static_cast<std::size_t>(layout.slots)),
        e(static_cast<std::size_t>(layout.width()));
    const auto put = [](std::span<const Entry> entries, std::vector<double>& to) {
        for (const Entry& entry : entries)
            to[static_cast<std::size_t>(entry.feature)] += static_cast<double>(entry.x);
    };
    std::vector<Entry> slots, wide, columns;
    design.append_user_times(user, event.time, slots);
    design.append_moment(event.row, slots, wide);
    design.append_item_times(item, event.time, columns);
    put(design.users().at(user), x);
    put(slots, x);
    put(design.items().at(item), e);
    put(columns, e);
    x[0] = 1;
    x[1] = (std::log1p(static_cast<double>(std::min<std::int64_t>(place, 200))) - design.clicks_mean()) /
           design.clicks_deviation();
    e.back() = 1;
    double logit = 0;
    for (std::int64_t j = 0; j < layout.width(); ++j) {
        const double column = e[static_cast<std::size_t>(j)];
        for (std::int64_t a = 0; a < layout.slots; ++a)
            logit += x[static_cast<std::size_t>(a)] * w(a * layout.width() + j) * column;
        if (layout.users > 0) logit += w(layout.user_rows() + user * layout.width() + j) * column;
    }
    for (std::int64_t a = 0; a < layout.slots && layout.items > 0; ++a)
        if (const std::int32_t own = design.own_of(static_cast<std::int32_t>(a)); own >= 0)
            logit += w(layout.item_rows() + item * layout.own + own) * x[static_cast<std::size_t>(a)];
    const double decays[] = {static_cast<double>(0.98f), static_cast<double>(0.8f)};
    for (std::int64_t m = 0; m < 2 && place > 0; ++m) {
        std::vector<double> mean(e.size());
        double total = 0;
        for (std::int64_t i = 0; i < place; ++i) {
            const double weight = std::pow(decays[m], static_cast<double>(place - 1 - i));
            for (const Entry& entry : design.items().at(sequence[static_cast<std::size_t>(i)]))
                mean[static_cast<std::size_t>(entry.feature)] += weight * static_cast<double>(entry.x);
            total += weight;
        }
        for (std::int64_t j = 0; j < layout.columns; ++j)
            logit += w(layout.affinity() + m * layout.columns + j) * mean[static_cast<std::size_t>(j)] /
                     total * e[static_cast<std::size_t>(j)];
    }
    for (const auto& entries : {design.users().wide_at(user), std::span<const Entry>(wide)})
        for (const Entry& entry : entries)
            logit += static_cast<double>(entry.x) * w(layout.wide_queries() + entry.feature);
    for (const Entry& entry : design.items().wide_at(item))
        logit += static_cast<double>(entry.x) * w(layout.wide_items() + entry.feature);
    return logit;
}

}  // namespace seqrec::trainer::testing
