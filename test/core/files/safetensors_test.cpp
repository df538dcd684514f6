#include "core/files/safetensors.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <numeric>

#include "testing.hpp"

namespace seqrec {
namespace {

using testing::error_of;
using testing::read_file;
using testing::safetensors_bytes;
using testing::TempFolder;
using testing::write_file;

class Safetensors : public ::testing::Test {
  protected:
    /// The SQLSTATE of opening a file of this header, padded so that the data is aligned.
    std::string open_error(std::string header, std::string_view data = "") {
        header.resize((header.size() + 7) / 8 * 8, ' ');
        return bytes_error(safetensors_bytes(header, data));
    }
    std::string bytes_error(std::string_view bytes) {
        write_file(path_, bytes);
        return error_of([&] { SafetensorsFile::open(path_); });
    }

    TempFolder folder_;
    const std::string path_ = folder_ / "file";
};

TEST_F(Safetensors, ReadsBackWhatWasWritten) {
    SafetensorsWriter writer;
    writer.set_metadata("format", "test/1");
    writer.set_metadata("text", "\"quotes\" and 中文");
    writer.declare<float>("a", {3, 5});
    writer.declare<std::int64_t>("b", {2});
    writer.declare<std::uint8_t>("empty", {0});
    writer.declare<double>("scalar", {});
    writer.create(path_);
    std::iota(writer.data<float>("a").begin(), writer.data<float>("a").end(), 0.5f);
    writer.data<std::int64_t>("b")[1] = -7;
    writer.data<double>("scalar")[0] = 2.25;
    writer.commit();

    const SafetensorsFile file = SafetensorsFile::open(path_);
    EXPECT_EQ(file.meta("format"), "test/1");
    EXPECT_EQ(file.meta("text"), "\"quotes\" and 中文");
    EXPECT_EQ(file.get<float>("a", {3, 5})[14], 14.5f);
    EXPECT_EQ(file.get<std::int64_t>("b", {-1})[1], -7);
    EXPECT_TRUE(file.get<std::uint8_t>("empty", {-1}).empty());
    EXPECT_EQ(file.get<double>("scalar", {})[0], 2.25);
}

TEST_F(Safetensors, EveryTensorStartsAtAMultipleOf64) {
    SafetensorsWriter writer;
    for (const char* name : {"a", "b", "c"}) writer.declare<std::uint8_t>(name, {13});
    writer.create(path_);
    writer.commit();
    const SafetensorsFile file = SafetensorsFile::open(path_);
    for (const char* name : {"a", "b", "c"})
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.tensor(name).bytes.data()) % 64, 0u) << name;
}

TEST_F(Safetensors, TensorsCoverTheDataWithoutGaps) {
    SafetensorsWriter writer;
    for (const char* name : {"a", "b", "c"}) writer.declare<std::uint8_t>(name, {13});
    writer.create(path_);
    writer.commit();
    const SafetensorsFile file = SafetensorsFile::open(path_);
    std::size_t total = 0;
    for (const auto& [name, tensor] : file.tensors()) total += tensor.bytes.size();
    const std::string bytes = testing::read_file(path_);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    EXPECT_EQ(sizeof header + header + total, bytes.size());
}

TEST_F(Safetensors, AWriterThatGoesAwayLeavesNothing) {
    {
        SafetensorsWriter writer;
        writer.declare<float>("a", {1000});
        writer.create(path_);
        EXPECT_EQ(folder_.files(), 1u);  // under its temporary name
        EXPECT_FALSE(std::filesystem::exists(path_));
    }
    EXPECT_EQ(folder_.files(), 0u);
}

TEST_F(Safetensors, AMissingFileIsAnIoError) {
    EXPECT_EQ(error_of([&] { SafetensorsFile::open(folder_ / "none"); }), sqlstate::kIo);
}

TEST_F(Safetensors, AFullDiskIsAnErrorBeforeAnythingIsWritten) {
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{4096, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    SafetensorsWriter writer;
    writer.declare<float>("a", {1 << 20});
    const std::string code = error_of([&] { writer.create(path_); });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, ignored);
    EXPECT_EQ(code, sqlstate::kIo);  // EFBIG; ENOSPC gives 53100 by the same way
    EXPECT_EQ(folder_.files(), 0u);
}

TEST_F(Safetensors, AWriterRefusesShapesTooLargeToAddUp) {
    const std::int64_t huge = std::int64_t{1} << 61;
    SafetensorsWriter product, sum;
    product.declare<std::int64_t>("a", {huge, huge});
    EXPECT_EQ(error_of([&] { product.create(path_); }), sqlstate::kDataCorrupted);
    for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i"})
        sum.declare<std::uint8_t>(name, {huge});
    EXPECT_EQ(error_of([&] { sum.create(path_); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(folder_.files(), 0u);
}

TEST_F(Safetensors, RefusesFilesShorterThanTheirHeader) {
    EXPECT_EQ(bytes_error(""), sqlstate::kDataCorrupted);
    EXPECT_EQ(bytes_error("\x02\0\0"), sqlstate::kDataCorrupted);
    EXPECT_EQ(bytes_error(std::string_view("\x03\0\0\0\0\0\0\0{}", 10)), sqlstate::kDataCorrupted);
    EXPECT_EQ(bytes_error("\xff\xff\xff\xff\xff\xff\xff\xff{}"), sqlstate::kDataCorrupted);
    EXPECT_EQ(bytes_error("\xf8\xff\xff\xff\xff\xff\xff\xff{}"), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, RefusesHeadersThatAreNotAsTheFormatSays) {
    for (const char* header :
         {"", "{", "[]x", "{\"a\":1}", "{\"a\":[]}", "{\"a\":{}}", "{\"__metadata__\":{\"k\":1}}",
          R"({"a":{"dtype":"F32","shape":[1]}})", R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})",
          R"({"a":{"dtype":"F12","shape":[1],"data_offsets":[0,2]}})",
          R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})",
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})",
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,2,4]}})"})
        EXPECT_EQ(open_error(header, "12345678"), sqlstate::kDataCorrupted) << header;
}

TEST_F(Safetensors, RefusesTensorsOutsideTheFile) {
    for (const char* offsets :
         {"[0,12]", "[8,4]", "[8,12]", "[12,16]", "[-4,0]", "[18446744073709551612,18446744073709551615]"})
        EXPECT_EQ(
            open_error(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + std::string(offsets) + "}}",
                       "12345678"),
            sqlstate::kDataCorrupted)
            << offsets;
}

TEST_F(Safetensors, RefusesShapesThatDoNotMatchTheirBytes) {
    for (const char* shape :
         {"[2]", "[]", "[-1]", "[-1,-1]", "[4611686018427387905]", "[65536,65536,65536,65536]",
          "[18446744073709551615]", "[4294967296,4294967296]", "[0]", "[1e300]", "[2.0]", "[2.5]", "[true]",
          "2", "{}"})
        EXPECT_EQ(
            open_error(R"({"a":{"dtype":"F32","shape":)" + std::string(shape) + R"(,"data_offsets":[0,8]}})",
                       "12345678"),
            std::string_view(shape) == "[2]" ? "" : sqlstate::kDataCorrupted)
            << shape;
}

TEST_F(Safetensors, RefusesMisalignedTensors) {
    const std::string entry = R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})";
    for (std::size_t pad = 0; pad < 8; ++pad)
        EXPECT_EQ(bytes_error(safetensors_bytes(entry + std::string(pad, ' '), "12345678")),
                  (entry.size() + pad) % 8 == 0 ? "" : sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, TakesMisalignedTensorsOfOtherProgramsWhenAsked) {
    const std::string entry = R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[1,5]}})";
    write_file(path_, safetensors_bytes(entry, "12345"));
    EXPECT_EQ(error_of([&] { SafetensorsFile::open(path_); }), sqlstate::kDataCorrupted);
    const SafetensorsFile file = SafetensorsFile::open(path_, false);
    EXPECT_EQ(file.tensor("a").dtype, DType::F16);
    EXPECT_EQ(std::memcmp(file.tensor("a").bytes.data(), "2345", 4), 0);
    write_file(path_, safetensors_bytes(entry, "1234"));  // what is outside the file is refused all the same
    EXPECT_EQ(error_of([&] { SafetensorsFile::open(path_, false); }), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, SurvivesADeeplyNestedHeader) {
    EXPECT_EQ(open_error(std::string(1 << 20, '[')), sqlstate::kDataCorrupted);
    const std::string deep(1 << 20, '['), end(1 << 20, ']');
    EXPECT_EQ(open_error("{\"a\":" + deep + end + "}"), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, AsksForTensorsByTypeAndShape) {
    SafetensorsWriter writer;
    writer.declare<float>("a", {2, 3});
    writer.create(path_);
    writer.commit();
    const SafetensorsFile file = SafetensorsFile::open(path_);
    EXPECT_EQ(file.get<float>("a", {-1, 3}).size(), 6u);
    EXPECT_EQ(error_of([&] { file.get<float>("a", {3, 2}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { file.get<float>("a", {6}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { file.get<std::int32_t>("a", {2, 3}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { file.get<float>("b", {2, 3}); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { file.meta("format"); }), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, ChecksumsCoverEveryMebibyte) {
    for (const std::int64_t size : {0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) - 64}) {
        SafetensorsWriter writer;
        writer.declare<std::uint8_t>("a", {size});
        writer.end_with_checksum();
        writer.create(path_);
        int polls = 0;
        const FileState state = writer.commit([&] { ++polls; });
        const SafetensorsFile file = SafetensorsFile::open(path_);
        EXPECT_EQ(file.mapped().state(), state);
        file.verify([&] { ++polls; });
        const std::int64_t blocks = (size + (1 << 20) - 1) / (1 << 20);
        EXPECT_EQ(polls, 2 * blocks);
        EXPECT_EQ(file.get<std::uint64_t>("checksum", {-1}).size(), static_cast<std::size_t>(1 + blocks));
    }
}

TEST_F(Safetensors, VerifyNoticesAnyChange) {
    const auto verify_error = [&] { return error_of([&] { SafetensorsFile::open(path_).verify(); }); };
    SafetensorsWriter writer;
    writer.set_metadata("word", "right");
    writer.declare<std::uint8_t>("a", {(2 << 20) + 5});
    writer.end_with_checksum();
    writer.create(path_);
    writer.commit();
    EXPECT_EQ(verify_error(), "");
    const std::string whole = read_file(path_);
    std::string other = whole;
    write_file(path_, other.replace(other.find("right"), 5, "wrong"));
    EXPECT_EQ(verify_error(), sqlstate::kDataCorrupted);
    for (const std::size_t from_end : {1, 24, 48, 1000, (1 << 20) + 1000, (2 << 20)}) {
        other = whole;
        other[other.size() - from_end] ^= 1;
        write_file(path_, other);
        EXPECT_EQ(verify_error(), sqlstate::kDataCorrupted) << from_end;
    }
    write_file(path_, whole + '\0');
    EXPECT_EQ(verify_error(), sqlstate::kDataCorrupted);
    write_file(path_, whole);
    EXPECT_EQ(verify_error(), "");
}

TEST_F(Safetensors, VerifyNeedsAChecksum) {
    SafetensorsWriter writer;
    writer.declare<float>("a", {2});
    writer.create(path_);
    writer.commit();
    EXPECT_EQ(error_of([&] { SafetensorsFile::open(path_).verify(); }), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, VerifyStopsWhenToldTo) {
    SafetensorsWriter writer;
    writer.declare<std::uint8_t>("a", {3 << 20});
    writer.end_with_checksum();
    writer.create(path_);
    writer.commit();
    const SafetensorsFile file = SafetensorsFile::open(path_);
    EXPECT_EQ(error_of([&] { file.verify([] { throw Error("57014", "canceled"); }); }), "57014");
}

/// A file that is cut while it is mapped is an error when its lost part is verified, not a bus error.
TEST_F(Safetensors, VerifySurvivesAFileThatIsCut) {
    SafetensorsWriter writer;
    writer.declare<std::uint8_t>("a", {3 << 20});
    writer.end_with_checksum();
    writer.create(path_);
    writer.commit();
    const SafetensorsFile file = SafetensorsFile::open(path_);
    std::filesystem::resize_file(path_, 1 << 20);
    EXPECT_EQ(error_of([&] { file.mapped().populate(2 << 20, 4096); }), sqlstate::kDataCorrupted);
    EXPECT_EQ(error_of([&] { file.verify(); }), sqlstate::kDataCorrupted);
}

TEST_F(Safetensors, AFileStateTellsChangesApart) {
    EXPECT_EQ(FileState::of(path_.c_str()), std::nullopt);
    write_file(path_, "one");
    const std::optional<FileState> first = FileState::of(path_.c_str());
    EXPECT_EQ(FileState::of(path_.c_str()), first);
    EXPECT_EQ(MappedFile(path_).state(), first);
    std::filesystem::rename(path_, path_ + ".away");
    write_file(path_, "one");
    EXPECT_NE(FileState::of(path_.c_str()), first) << "another file of the same content";
}

TEST(DTypes, NamesAndSizesAgree) {
    for (const char* name : {"U8", "I8", "BF16", "I32", "U32", "F32", "I64", "U64", "F64"})
        EXPECT_EQ(dtype_name(parse_dtype(name)), name);
    EXPECT_EQ(element_size(dtype_of<float>), 4u);
    EXPECT_EQ(element_size(dtype_of<double>), 8u);
    EXPECT_EQ(element_size(dtype_of<std::uint8_t>), 1u);
}

}  // namespace
}  // namespace seqrec
