#include "kinds/shared/choices.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kernels/step_kernels.hpp"

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

std::int64_t choose_epochs(const nlohmann::json& earlier) {
    if (earlier.is_null()) return 200;
    return std::max<std::int64_t>(4, earlier.value("trained_epochs", std::int64_t{20}) / 5);
}

bool choose_bfloat16(const std::string& precision) {
    const bool can = kernels::table().bfloat16 != nullptr;
    if (precision == "bfloat16" && !can)
        throw Error(sqlstate::kFeatureNotSupported, "this CPU has no bfloat16 products",
                    "Leave precision at auto; bfloat16 needs AVX512-BF16.");
    return can && precision != "float32";
}

}  // namespace seqrec::trainer
