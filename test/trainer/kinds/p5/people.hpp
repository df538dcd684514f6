// Users with a gender and an age, who walk through the items of their gender.
#pragma once

#include "featured_shop.hpp"
#include "kinds/p5/p5_model.hpp"

namespace seqrec::trainer::testing {

/// Women walk through the even items, men through the odd ones; every tenth user has done nothing.
/// 女性浏览偶数物品，男性浏览奇数物品；每十个用户中有一个没有任何交互。
inline FeaturedData people(int users, int items, int longest) {
    FeaturedData data{{}, items};
    TestColumn gender{"gender", "category"}, age{"age", "number"};
    Random random(4);
    for (int u = 0; u < users; ++u) {
        const int side = u % 2;
        gender.values.push_back({side == 0 ? "f" : "m"});
        age.numbers.push_back(20 + u % 50);
        std::vector<std::int32_t> sequence;
        const auto half = static_cast<std::uint64_t>(items / 2);
        auto at = random.below(half);
        for (auto left = u % 10 == 9 ? 0 : 3 + random.below(static_cast<std::uint64_t>(longest)); left > 0;
             --left) {
            sequence.push_back(static_cast<std::int32_t>(2 * at) + side);
            at = random.below(3) > 0 ? (at + 1) % half : random.below(half);
        }
        data.sequences.push_back(sequence);
    }
    data.user = {gender, age};
    return data;
}

inline DatasetOptions knowing_users() {
    DatasetOptions options = with_repeats("keep");
    options.knows_users = true;
    return options;
}

/// Every option, small where not given. 全部选项，未给出者取小值。
inline nlohmann::json p5_options(const nlohmann::json& given = nlohmann::json::object()) {
    nlohmann::json options = {
        {"dim", 16},   {"layers", 1},   {"threads", 1},         {"precision", "float32"},
        {"epochs", 2}, {"max_len", 10}, {"max_seconds", 100000}};
    options.update(given);
    return resolve_options("p5", options);
}

struct P5Trial {
    Trained trained;
    std::string said;  ///< what was reported
};

inline P5Trial train_p5(const Dataset& data, const nlohmann::json& options,
                        const EarlierModel* earlier = nullptr) {
    const auto config = earlier ? nlohmann::json::parse(earlier->file.meta("config")) : nlohmann::json();
    const auto model = kP5Trainer.make(options, data, config);
    if (earlier) model->start_from(*earlier);
    Workers workers(1);
    ::testing::internal::CaptureStdout();
    P5Trial trial;
    {
        Reporter reporter;
        trial.trained = model->train({data, workers, reporter, ""});
    }
    trial.said = ::testing::internal::GetCapturedStdout();
    return trial;
}

}  // namespace seqrec::trainer::testing
