// An index of ids that are consecutive numbers.
#pragma once

#include <string>
#include <vector>

#include "core/files/id_index.hpp"
#include "testing.hpp"

namespace seqrec::testing {

/// Ids `first` to `first + count - 1` in a file, with a table by their value or without.
/// 文件中的 id：first 到 first + count - 1，可带按数值查找的表。
class NumberedIndex {
  public:
    NumberedIndex(std::int64_t count, std::int64_t first, bool numbers) {
        std::string all;
        std::vector<std::int64_t> offsets{0};
        for (std::int64_t i = 0; i < count; ++i) {
            all += std::to_string(first + i);
            offsets.push_back(static_cast<std::int64_t>(all.size()));
        }
        SafetensorsWriter writer;
        writer.set_metadata("version", "v");
        writer.declare<std::int64_t>("item.id.offsets", {count + 1});
        writer.declare<std::uint8_t>("item.id.bytes", {static_cast<std::int64_t>(all.size())});
        writer.declare<std::uint32_t>("item.id.hash", {IdIndex::table_size(count)});
        if (numbers) {
            writer.declare<std::int32_t>("item.id.number", {count});
            writer.declare<std::int64_t>("item.id.number.first", {1});
        }
        writer.create(folder_ / "index");
        std::ranges::copy(offsets, writer.data<std::int64_t>("item.id.offsets").begin());
        const auto bytes = writer.data<std::uint8_t>("item.id.bytes");
        std::ranges::copy(all, bytes.begin());
        IdIndex::build(offsets, bytes, writer.data<std::uint32_t>("item.id.hash"),
                       IdHashKey::of_version("v"));
        if (numbers) {
            writer.data<std::int64_t>("item.id.number.first")[0] = first;
            IdIndex::build_numbers(offsets, bytes, first, writer.data<std::int32_t>("item.id.number"));
        }
        writer.commit();
        file_ = SafetensorsFile::open(folder_ / "index");
        index_ = IdIndex(file_, "item");
    }

    const IdIndex& get() const { return index_; }

  private:
    TempFolder folder_;
    SafetensorsFile file_;
    IdIndex index_;
};

}  // namespace seqrec::testing
