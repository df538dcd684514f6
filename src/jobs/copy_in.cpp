#include "jobs/copy_in.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "pg/boundary.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/copy.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/rel.h"
}

namespace seqrec {
namespace {

constexpr char kSignature[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";  // 11 bytes, then no flags and no extension
constexpr std::size_t kSignatureSize = 19;
constexpr std::size_t kBlock = 1 << 16;

/// COPY's callback has no argument of its own, so the load under way is here.
struct Load {
    MakeRow make_row;
    const void* state;
    std::int64_t next_row;
    std::string buffer;
    std::size_t taken;
    bool finished;
};
Load load;

void refill() {
    load.buffer.erase(0, load.taken);
    load.taken = 0;
    while (!load.finished && load.buffer.size() < kBlock) {
        if (load.make_row(load.next_row++, load.buffer, load.state)) continue;
        load.buffer.append("\377\377");  // the file trailer: -1 fields
        load.finished = true;
    }
}

int read_rows(void* target, int least, int most) {
    return guarded([&] {
        check_for_interrupts();
        if (load.buffer.size() - load.taken < static_cast<std::size_t>(least)) refill();
        const std::size_t count = std::min(load.buffer.size() - load.taken, static_cast<std::size_t>(most));
        std::memcpy(target, load.buffer.data() + load.taken, count);
        load.taken += count;
        return static_cast<int>(count);
    });
}

}  // namespace

template <typename T>
void CopyRow::put(T value) {
    if constexpr (sizeof value == 2)
        value = static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
    if constexpr (sizeof value == 4)
        value = static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
    if constexpr (sizeof value == 8)
        value = static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
    buffer_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

CopyRow::CopyRow(std::string& buffer, std::int16_t fields) : buffer_(buffer) { put(fields); }

void CopyRow::null() { put<std::int32_t>(-1); }

void CopyRow::bigint(std::int64_t value) {
    put<std::int32_t>(sizeof value);
    put(value);
}

void CopyRow::integer(std::int32_t value) {
    put<std::int32_t>(sizeof value);
    put(value);
}

void CopyRow::real(float value) {
    put<std::int32_t>(sizeof value);
    put(std::bit_cast<std::int32_t>(value));
}

void CopyRow::number(double value) {
    put<std::int32_t>(sizeof value);
    put(std::bit_cast<std::int64_t>(value));
}

void CopyRow::text(std::string_view value) {
    put(static_cast<std::int32_t>(value.size()));
    buffer_.append(value);
}

/// What comes before the elements, of four bytes each, of an array.
void CopyRow::array(Oid element, std::size_t count) {
    constexpr std::size_t kMost = MaxAllocSize / 8;  // what COPY reads as one field
    if (count > kMost) throw Error(sqlstate::kFeatureNotSupported, "an array is too long for a table");
    const auto length = static_cast<std::int32_t>(count);
    const std::int32_t dimensions = length > 0 ? 1 : 0;
    put<std::int32_t>(12 + 8 * dimensions + 8 * length);
    put(dimensions);
    put<std::int32_t>(0);  // no nulls
    put(static_cast<std::int32_t>(element));
    if (dimensions == 0) return;
    put(length);
    put<std::int32_t>(1);  // lower bound
}

void CopyRow::reals(std::span<const float> values) {
    array(FLOAT4OID, values.size());
    for (const float value : values) real(value);
}

void CopyRow::integers(std::span<const std::int32_t> values) {
    array(INT4OID, values.size());
    for (const std::int32_t value : values) integer(value);
}

void copy_into(Oid relation, MakeRow make_row, const void* state) {
    guarded([&] { load = {make_row, state, 0, std::string(kSignature, kSignatureSize), 0, false}; });
    Relation table = table_open(relation, RowExclusiveLock);
    ParseState* parse = make_parsestate(nullptr);
    (void)addRangeTableEntryForRelation(parse, table, RowExclusiveLock, nullptr, false, false);
    List* options = list_make1(makeDefElem(pstrdup("format"), (Node*)makeString(pstrdup("binary")), -1));
    CopyFromState copy = BeginCopyFrom(parse, table, nullptr, nullptr, false, read_rows, nullptr, options);
    (void)CopyFrom(copy);
    EndCopyFrom(copy);
    free_parsestate(parse);
    table_close(table, NoLock);
}

}  // namespace seqrec
