// Which instructions are run, and that the environment may forbid some.
#include "core/kernels/instructions.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "core/kernels/encoder_kernels.hpp"
#include "core/scan/codes.hpp"
#include "core/scan/dot_product.hpp"

namespace seqrec {
namespace {

TEST(Instructions, BuildOnOneAnother) {
    const Instructions& use = instructions();
    EXPECT_TRUE(use.avx2 || !use.avx512);
    EXPECT_TRUE(use.avx512 || !use.vnni);
    EXPECT_TRUE(use.avx512 || !use.bfloat16);
    EXPECT_EQ(&use, &instructions());
}

/// Whether kernels need no more than is allowed; the program is started anew, which asks the environment once
/// more.
[[noreturn]] void leave_with_what_is_run() {
    const Instructions& use = instructions();
    int newest = use.bfloat16 ? 3 : use.avx512 ? 2 : use.avx2 ? 1 : 0;
    const std::string encoder(encoder_kernels().front()->name), dots(dot_kernels().front().name);
    const std::string encoders[] = {"portable", "avx2int16", "avx512", "avx512bf16"};
    const std::string wanted[] = {"portable", "avx2", "avx512"};
    if (encoder != encoders[newest] || dots != wanted[std::min(newest, 2)]) newest = 99;
    if (code_kernels().front().name == "avx512vnni" && !use.vnni) newest = 98;
    ::_exit(newest);
}

TEST(InstructionsDeathTest, AreNoNewerThanTheEnvironmentAllows) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    const Instructions has = instructions();
    const int all = has.bfloat16 ? 3 : has.avx512 ? 2 : has.avx2 ? 1 : 0;
    const auto at_most = [&](const char* isa, int wanted) {
        ::setenv("SEQREC_ISA", isa, 1);
        EXPECT_EXIT(leave_with_what_is_run(), ::testing::ExitedWithCode(std::min(all, wanted)), "") << isa;
        ::unsetenv("SEQREC_ISA");
    };
    at_most("portable", 0);
    at_most("avx2", 1);
    at_most("avx512", 2);
    at_most("anything", 3);
}

}  // namespace
}  // namespace seqrec
