// core/encoder.cpp against libtorch's forward pass of the same model file.
#include "core/encoder.hpp"
#include "export.hpp"
#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::TempFolder;

/// The largest difference between the two over random requests: known and unknown users, 0 to 300 clicks.
float largest_difference(const std::string& path, int requests) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const Encoder encoder(file);
    const Members members = read_model(file);
    Random random(5);
    float largest = 0;
    for (int i = 0; i < requests; ++i) {
        std::vector<std::int32_t> clicks(i < 2 ? 0 : random.below(301));
        for (std::int32_t& click : clicks)
            click = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(encoder.items())));
        const auto user =
            i % 2 == 0 ? -1
                       : static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(encoder.users())));
        std::vector<float> ours(static_cast<std::size_t>(encoder.dim()));
        encoder.encode(clicks, user, ours);
        const at::Tensor theirs = encode(members, {clicks}, {user});
        for (std::size_t d = 0; d < ours.size(); ++d)
            largest = std::max(largest, std::abs(ours[d] - theirs.data_ptr<float>()[d]));
    }
    return largest;
}

TEST(Parity, EncoderEqualsLibtorch) {
    const TempFolder folder;
    for (const int heads : {1, 2})
        for (const int members : {1, 3}) {
            const auto outcome = testing::train(
                folder, testing::walks(60, 40, 90), 40,
                {{"dim", 16}, {"heads", heads}, {"members", members}, {"epochs", 3}, {"max_len", 50}});
            ASSERT_EQ(outcome.status, 0);
            EXPECT_LT(largest_difference(folder / "model", 100), 1e-4f) << heads << " heads, " << members;
        }
}

}  // namespace
}  // namespace seqrec::trainer
