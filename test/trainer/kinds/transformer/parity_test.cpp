// core/encoder.cpp against libtorch's forward pass of the same model file.
#include "core/kinds/encoder.hpp"

#include <algorithm>
#include <numeric>

#include "files/model_file.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

struct Differences {
    float exact = 0;                    // the largest difference of an element at Precision::Exact
    std::vector<float> fast_cosines{};  // at Precision::Fast, of requests that have an answer
};

/// How far the two are apart over random requests: known and unknown users, 0 to 300 clicks.
Differences differences(const std::string& path, int requests) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const Encoder encoder(file);
    const Members members = read_model(file);
    Random random(5);
    Differences worst;
    for (int i = 0; i < requests; ++i) {
        std::vector<std::int32_t> clicks(i < 2 ? 0 : random.below(301));
        for (std::int32_t& click : clicks)
            click = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(encoder.items())));
        const auto user =
            i % 2 == 0 ? -1
                       : static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(encoder.users())));
        std::vector<float> exact(static_cast<std::size_t>(encoder.dim())), fast(exact);
        encoder.encode(clicks, user, exact, Precision::Exact);
        encoder.encode(clicks, user, fast, Precision::Fast);
        const at::Tensor result = encode(members, {clicks}, {user});
        const float* theirs = result.data_ptr<float>();
        for (std::size_t d = 0; d < exact.size(); ++d)
            worst.exact = std::max(worst.exact, std::abs(exact[d] - theirs[d]));
        if (user >= 0 || !clicks.empty())
            worst.fast_cosines.push_back(std::inner_product(fast.begin(), fast.end(), theirs, 0.0f));
    }
    return worst;
}

TEST(Parity, EncoderEqualsLibtorch) {
    const TempFolder folder;
    for (const int heads : {1, 2})
        for (const int members : {1, 3}) {
            const auto outcome = testing::train(
                folder, testing::walks(60, 40, 90), 40,
                {{"dim", 16}, {"heads", heads}, {"members", members}, {"epochs", 3}, {"max_len", 50}});
            ASSERT_EQ(outcome.status, 0);
            const Differences found = differences(folder / "model", 100);
            EXPECT_LT(found.exact, 1e-4f) << heads << " heads, " << members;
            const auto& cosines = found.fast_cosines;
            EXPECT_GT(*std::min_element(cosines.begin(), cosines.end()), 0.999f);
            EXPECT_GT(
                std::accumulate(cosines.begin(), cosines.end(), 0.0f) / static_cast<float>(cosines.size()),
                0.9999f);
        }
}

}  // namespace
}  // namespace seqrec::trainer
