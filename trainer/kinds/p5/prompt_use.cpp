#include "kinds/p5/prompt_use.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "measure/evaluation.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::size_t kAsked = 2000;  // of one length at most

std::vector<std::int64_t> lengths_below(std::int64_t most) {
    std::vector<std::int64_t> lengths;
    for (const std::int64_t length : {1, 3, 5, 10, 20, 50})
        if (length < most) lengths.push_back(length);
    return lengths;
}

/// What came after so many items, of the users who were trained on more.
std::vector<Question> beginnings(const Dataset& data, std::int64_t length) {
    std::vector<Question> questions;
    for (std::int64_t user = 0; user < data.users(); ++user)
        if (std::ssize(data.training(user)) > length)
            questions.push_back({static_cast<std::int32_t>(user), static_cast<std::int32_t>(length)});
    return thin_out(questions, kAsked);
}

/// NDCG@10 of one question.
double worth_of(std::int64_t rank) { return rank < 10 ? 1 / std::log2(static_cast<double>(rank) + 2) : 0; }

struct Gain {
    double mean = 0, error = 0;

    Gain(const std::vector<std::int64_t>& with, const std::vector<std::int64_t>& without) {
        const auto count = static_cast<double>(std::max<std::size_t>(with.size(), 2));
        double squares = 0;
        for (std::size_t i = 0; i < with.size(); ++i) {
            const double gain = worth_of(with[i]) - worth_of(without[i]);
            mean += gain / count;
            squares += gain * gain / count;
        }
        error = std::sqrt(std::max(0.0, squares - mean * mean) / (count - 1));
    }
};

/// How many of the first there are up to which the gains add up to most.
std::size_t that_pay(const std::vector<double>& gains) {
    std::size_t best = 0;
    double sum = 0, most = 0;
    for (std::size_t i = 0; i < gains.size(); ++i)
        if ((sum += gains[i]) > most) {
            most = sum;
            best = i + 1;
        }
    return best;
}

/// Half way, by ratio, from the longest that was found to gain to the next.
std::int64_t until_after(std::size_t paying, const std::vector<std::int64_t>& lengths) {
    if (paying == lengths.size()) return kAlways;
    if (paying == 0) return 1;
    const auto last = static_cast<double>(lengths[paying - 1]), next = static_cast<double>(lengths[paying]);
    return std::max<std::int64_t>(lengths[paying - 1] + 1, std::llround(std::sqrt(last * next)));
}

}  // namespace

PromptUse where_prompts_pay(const Dataset& data, const P5State& state,
                            const std::shared_ptr<const UserFeatures>& features, const P5Settings& settings,
                            Workers& workers, const Rank& rank) {
    PromptUse use;
    const P5Weights with(state, features, Probability(settings)),
        without(state, features, Probability(settings), 1);
    const double always = rank(with), never = rank(without);
    std::vector<std::int64_t> lengths = lengths_below(settings.max_len);
    std::vector<double> sure;
    for (const std::int64_t length : lengths) {
        const std::vector<Question> questions = beginnings(data, length);
        const auto ranks = [&](const P5Weights& weights) {
            return rank_held_out(data, questions, HeldOut::Validation, weights, {}, workers, [](double) {})
                .ranks;
        };
        const Gain gain(ranks(with), ranks(without));
        sure.push_back(gain.mean - gain.error);
        use.gains[std::to_string(length)] = gain.mean;
    }
    lengths.push_back(settings.max_len);
    sure.push_back(always - never);
    use.gains["all"] = always - never;
    use.until = until_after(that_pay(sure), lengths);
    use.whole = use.until == kAlways ? always : never;
    return use;
}

}  // namespace seqrec::trainer
