#include "core/model_export.hpp"

#include <nlohmann/json.hpp>

#include "testing.hpp"
#include "tiny_model.hpp"

namespace seqrec {
namespace {

using namespace seqrec::testing;

std::string same(std::string_view id) { return std::string(id); }

TEST(ModelExport, AnImageIsASafetensorsFile) {
    const std::vector<float> floats = {1, 2, 3, 4, 5, 6};
    const std::vector<std::uint8_t> bytes = {7, 8, 9};
    const std::vector<std::int64_t> longs = {-1};
    const SafetensorsImage image({{"format", "seqrec-model/2"}},
                                 {{"b", {DType::U8, {3}, std::as_bytes(std::span(bytes))}},
                                  {"f", {DType::F32, {2, 3}, std::as_bytes(std::span(floats))}},
                                  {"l", {DType::I64, {1}, std::as_bytes(std::span(longs))}}});
    std::string content(image.size(), '\0');
    image.write(std::as_writable_bytes(std::span(content)));
    const TempFolder folder;
    write_file(folder / "model", content);
    const SafetensorsFile file = SafetensorsFile::open(folder / "model");
    EXPECT_EQ(file.meta("format"), "seqrec-model/2");
    EXPECT_EQ(file.get<float>("f", {2, 3})[5], 6);
    EXPECT_EQ(file.get<std::uint8_t>("b", {3})[2], 9);
    EXPECT_EQ(file.get<std::int64_t>("l", {1})[0], -1);
}

TEST(ModelExport, NpyHeadersAreWholeLines) {
    for (const std::int64_t rows : {0, 7, 123456, 2147483647}) {
        const std::string header = npy_header(rows, 64);
        EXPECT_EQ(header.size() % 64, 0u);
        EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
        EXPECT_EQ(static_cast<std::size_t>(static_cast<unsigned char>(header[8])) + 10, header.size());
        EXPECT_EQ(header.back(), '\n');
        EXPECT_NE(header.find("'shape': (" + std::to_string(rows) + ", 64)"), std::string::npos) << header;
    }
}

TEST(ModelExport, MapsHaveEveryIdAndNoBytesThatAreNoText) {
    TinyModel model;
    model.item_ids[3] = "a \"quoted\"\nid \xe7\x89\xa9";
    const TempFolder folder;
    model.write(folder / "snapshot");
    const auto map = nlohmann::json::parse(id_map_json(Snapshot::open(folder / "snapshot").items(), same));
    EXPECT_EQ(map.size(), 20u);
    EXPECT_EQ(map.at(model.item_ids[3]), 3);
    EXPECT_EQ(map.at("item-19"), 19);
    model.item_ids[3] = "\xff";
    model.write(folder / "snapshot");
    const Snapshot odd = Snapshot::open(folder / "snapshot");
    EXPECT_EQ(error_of([&] { id_map_json(odd.items(), same); }), "22021");
}

TEST(ModelExport, VectorsAreThoseThatScore) {
    const TempFolder folder;
    TinyModel().write(folder / "snapshot");
    const Snapshot snapshot = Snapshot::open(folder / "snapshot");
    std::vector<float> rows(20 * 8);
    write_item_vectors(snapshot, std::as_writable_bytes(std::span(rows)));
    double square = 0;
    for (std::size_t d = 0; d < 8; ++d) square += static_cast<double>(rows[19 * 8 + d] * rows[19 * 8 + d]);
    EXPECT_NEAR(square, 1, 1e-6);
}

}  // namespace
}  // namespace seqrec
