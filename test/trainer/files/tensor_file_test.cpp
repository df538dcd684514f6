// Tensors to a file and back.
#include "files/tensor_file.hpp"

#include "shop.hpp"

namespace seqrec::trainer {
namespace {

using seqrec::testing::error_of;
using seqrec::testing::TempFolder;

TEST(TensorFile, GivesBackWhatWasWritten) {
    const TempFolder folder;
    const std::vector<NamedTensor> tensors = {
        {"floats", at::tensor({1.5f, -2.0f, 0.25f, 4.0f}).reshape({2, 2})},
        {"doubles", at::tensor({1e300, -0.5}, at::kDouble)},
        {"ints", at::tensor({7, -7}, at::kInt)},
        {"longs", at::tensor({std::int64_t{1} << 60}, at::kLong)},
        {"nothing", at::empty({0, 3})}};
    write_tensors(folder / "file", {{"format", "a"}, {"b", "c"}}, tensors);
    const SafetensorsFile file = SafetensorsFile::open(folder / "file");
    EXPECT_EQ(file.meta("format"), "a");
    EXPECT_EQ(file.meta("b"), "c");
    EXPECT_NO_THROW(file.verify());
    for (const auto& [name, tensor] : tensors) {
        const at::Tensor read = read_tensor(file, name);
        EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
        EXPECT_TRUE(at::equal(read, tensor)) << name;
    }
}

/// A view is written as its numbers are seen, not as they lie.
TEST(TensorFile, TakesTensorsInAnyOrderOfMemory) {
    const TempFolder folder;
    const at::Tensor whole = at::arange(12, at::kFloat).reshape({3, 4});
    write_tensors(folder / "file", {}, {{"across", whole.t()}, {"column", whole.narrow(1, 1, 2)}});
    const SafetensorsFile file = SafetensorsFile::open(folder / "file");
    EXPECT_TRUE(at::equal(read_tensor(file, "across"), whole.t()));
    EXPECT_TRUE(at::equal(read_tensor(file, "column"), whole.narrow(1, 1, 2)));
}

/// What was read may be changed: the file is no part of it.
TEST(TensorFile, ReadsCopies) {
    const TempFolder folder;
    write_tensors(folder / "file", {}, {{"x", at::ones({2})}});
    const SafetensorsFile file = SafetensorsFile::open(folder / "file");
    read_tensor(file, "x").fill_(9);
    EXPECT_TRUE(at::equal(read_tensor(file, "x"), at::ones({2})));
}

TEST(TensorFile, OtherTypesAndMissingNamesAreRefused) {
    const TempFolder folder;
    EXPECT_EQ(error_of([&] {
                  write_tensors(folder / "file", {}, {{"x", at::ones({2}, at::kHalf)}});
              }),
              "XX000");
    EXPECT_EQ(folder.files(), 0U);
    write_tensors(folder / "file", {}, {{"x", at::ones({2})}});
    const SafetensorsFile file = SafetensorsFile::open(folder / "file");
    EXPECT_EQ(error_of([&] { (void)read_tensor(file, "y"); }), "XX001");
    EXPECT_EQ(error_of([&] { write_tensors(folder / "nowhere/file", {}, {{"x", at::ones({2})}}); }), "58030");
}

TEST(TensorFile, ANewFileReplacesTheOldOne) {
    const TempFolder folder;
    write_tensors(folder / "file", {}, {{"x", at::ones({2})}});
    const SafetensorsFile old = SafetensorsFile::open(folder / "file");
    write_tensors(folder / "file", {}, {{"x", at::zeros({3})}});
    EXPECT_EQ(read_tensor(SafetensorsFile::open(folder / "file"), "x").numel(), 3);
    EXPECT_TRUE(at::equal(read_tensor(old, "x"), at::ones({2})));  // who has it open keeps it
    EXPECT_EQ(folder.files(), 1U);
}

}  // namespace
}  // namespace seqrec::trainer
