// Rows made by C++ code, loaded through PostgreSQL's COPY: the fastest way into a table that keeps its
// indexes and constraints. PostgreSQL code: may ereport.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pg/boundary.hpp"

namespace seqrec {

/// Writes the fields of a row in COPY's binary format.
/// 以 COPY 二进制格式写出一行的各字段。
class CopyRow {
  public:
    CopyRow(std::string& buffer, std::int16_t fields);
    void null();
    void bigint(std::int64_t value);
    void integer(std::int32_t value);
    void real(float value);
    void number(double value);
    void text(std::string_view value);
    void reals(std::span<const float> values);
    void integers(std::span<const std::int32_t> values);

  private:
    template <typename T>
    void put(T value);
    void array(Oid element, std::size_t count);
    std::string& buffer_;
};

/// Appends row `index` to the buffer, false when there is none; C++ code, may throw.
/// 将第 index 行追加到缓冲区；没有则返回 false。可抛出异常。
using MakeRow = bool (*)(std::int64_t index, std::string& buffer, const void* state);

/// Loads rows 0, 1, 2, … into a table, in the order of its columns.
/// 将各行按列顺序装入表中。
void copy_into(Oid relation, MakeRow make_row, const void* state);

}  // namespace seqrec
