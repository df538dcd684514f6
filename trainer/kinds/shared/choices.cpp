#include "kinds/shared/choices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "kernels/step_kernels.hpp"
#include "kinds/shared/batches.hpp"

namespace seqrec::trainer {

std::int64_t choose_max_len(const Dataset& data, std::int64_t most) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t u = 0; u < data.users(); ++u)
        lengths.push_back(static_cast<std::int64_t>(data.sequence(u).size()));
    const auto at = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() * 98 / 100);
    std::nth_element(lengths.begin(), at, lengths.end());
    return std::clamp<std::int64_t>((*at + 9) / 10 * 10, 10, most);
}

double length_share(const Dataset& data) {
    const double mean = static_cast<double>(data.interactions()) /
                        static_cast<double>(std::max<std::int64_t>(data.users(), 1));
    return std::clamp(std::log(std::max(mean, 1.0) / 10) / std::log(6.0), 0.0, 1.0);
}

double rounded(double value, double digits) { return std::round(value * digits) / digits; }

double choose_dropout(const Dataset& data) { return rounded(0.4 - 0.2 * length_share(data), 100); }

double choose_seconds(const Dataset& data) {
    return 570 * std::max(1.0, static_cast<double>(data.interactions()) / 500000);
}

std::int64_t choose_batch(const Dataset& data) {
    return std::clamp<std::int64_t>(data.interactions() / 60, 512, 6400);
}

namespace {

/// What of the training part one pass reads on the mean: all of who has something new, kOldShare of the others.
double pass_share(const Dataset& data) {
    double read = 0, all = 1e-9;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        const auto length = static_cast<double>(data.training(u).size());
        all += length;
        read += static_cast<double>(data.known(u)) < length ? length : kOldShare * length;
    }
    return std::max(read / all, kOldShare);
}

}  // namespace

std::int64_t number_of(const nlohmann::json& earlier, const char* name, std::int64_t otherwise) {
    const auto found = earlier.find(name);
    if (found == earlier.end() || !found->is_number_integer()) return otherwise;
    const auto number = found->get<std::int64_t>();
    return number >= 0 && number <= std::numeric_limits<std::int32_t>::max() ? number : otherwise;
}

std::int64_t choose_epochs(const Dataset& data, const nlohmann::json& earlier) {
    if (earlier.is_null()) return 200;
    const double fifth = static_cast<double>(number_of(earlier, "trained_epochs", 20)) / 5;
    return static_cast<std::int64_t>(std::max({4.0, fifth, std::min(10.0, fifth / pass_share(data))}));
}

bool choose_bfloat16(const std::string& precision) {
    const bool can = kernels::table().bfloat16 != nullptr;
    if (precision == "bfloat16" && !can)
        throw Error(sqlstate::kFeatureNotSupported, "this CPU has no bfloat16 products",
                    "Leave precision at auto; bfloat16 needs AVX512-BF16.");
    return can && precision != "float32";
}

}  // namespace seqrec::trainer
