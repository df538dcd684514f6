#include "tables/titles.hpp"

#include <charconv>

#include "pg/boundary.hpp"
#include "tables/id_text.hpp"
#include "tables/source_rights.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
}

namespace seqrec {
namespace {

struct Opened {
    SourceTable table;
    Column columns[2];  // id, title
};

/// Of a table that the model names a column may be gone since.
bool has_column(const TitlesTable& where, const char* name) {
    return where.is_callers || get_attnum(where.relation, name) > 0;
}

/// False where there is nothing that the caller may read.
bool open_titles(const TitlesTable& where, Opened* opened) {
    if (!OidIsValid(where.relation) || !where.title_column) return false;
    if (!has_column(where, where.id_column) || !has_column(where, where.title_column)) return false;
    opened->table = open_source(where.relation, Temporary::Taken);
    opened->columns[0] = find_id_column(where.relation, where.id_column, "title_id_column");
    opened->columns[1] = find_column(where.relation, where.title_column, "title_column");
    return may_read(opened->table, opened->columns, GetUserId()) &&
           (where.is_callers || !hides_rows(opened->table, GetUserId()));
}

// --- ids as the column has them ---

struct Elements {
    Oid type;
    int16 length;
    bool by_value;
    char align;
};

Elements elements_of(ColumnForm form) {
    switch (form) {
        case ColumnForm::Int2:
        case ColumnForm::Int4:
        case ColumnForm::Int8:
            return {INT8OID, sizeof(std::int64_t), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE};
        case ColumnForm::Uuid:
            return {UUIDOID, UUID_LEN, false, TYPALIGN_CHAR};
        default:
            return {TEXTOID, -1, false, TYPALIGN_INT};
    }
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit(static_cast<unsigned char>(text[i]))) return false;
    }
    return true;
}

/// An id as a value of the type; false for what is none, which no row has.
bool element(Oid type, std::string_view id, Datum* value) {
    if (type == INT8OID) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
        *value = Int64GetDatum(number);
        return error == std::errc() && end == id.data() + id.size();
    }
    if (type == UUIDOID) {
        if (!is_uuid(id)) return false;
        *value = DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(id.data(), id.size())));
        return true;
    }
    *value = PointerGetDatum(cstring_to_text_with_len(id.data(), static_cast<int>(id.size())));
    return true;
}

Datum array_of(const Elements& elements, std::span<const std::string_view> ids) {
    auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * (ids.size() + 1)));
    int count = 0;
    for (const std::string_view id : ids)
        if (element(elements.type, id, &values[count])) ++count;
    return PointerGetDatum(
        construct_array(values, count, elements.type, elements.length, elements.by_value, elements.align));
}

// --- the query ---

char* titles_query(const Opened& opened, const Elements& elements) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ");
    append_id(&sql, opened.columns[0], false);
    appendStringInfo(
        &sql,
        "::pg_catalog.text, pg_catalog.min(pg_catalog.left(r.%s::pg_catalog.text, 500)) FROM %s r WHERE ",
        quoted(opened.columns[1]), opened.table.qualified);
    append_id(&sql, opened.columns[0], false);
    appendStringInfo(&sql, " OPERATOR(pg_catalog.=) ANY ($1::%s[]) GROUP BY 1",
                     elements.type == TEXTOID   ? "pg_catalog.text"
                     : elements.type == UUIDOID ? "pg_catalog.uuid"
                                                : "pg_catalog.int8");
    return sql.data;
}

std::string_view kept(MemoryContext memory, std::uint64_t row, int number) {
    const char* text = spi_text(row, number);
    return text ? std::string_view(MemoryContextStrdup(memory, text)) : std::string_view();
}

std::span<const Title> copy_result(MemoryContext memory) {
    const auto count = static_cast<std::size_t>(SPI_processed);
    auto* titles = static_cast<Title*>(MemoryContextAlloc(memory, sizeof(Title) * (count + 1)));
    std::size_t found = 0;
    for (std::size_t row = 0; row < count; ++row) {
        titles[found] = {kept(memory, row, 1), kept(memory, row, 2)};
        if (!titles[found].id.empty() && !titles[found].title.empty()) ++found;
    }
    return {titles, found};
}

/// Within SPI; nothing where the query would run code that the caller did not ask for.
std::span<const Title> run_query(const Opened& opened, std::span<const std::string_view> ids, bool is_callers,
                                 MemoryContext memory) {
    const Elements elements = elements_of(opened.columns[0].form);
    Oid type = get_array_type(elements.type);
    const SPIPlanPtr plan = SPI_prepare(titles_query(opened, elements), 1, &type);
    if (!plan) elog(ERROR, "could not prepare the reading of titles: %s", SPI_result_code_string(SPI_result));
    if (!is_callers && !is_trusted_code(plan, GetUserId())) return {};
    Datum values[] = {array_of(elements, ids)};
    const int code = SPI_execute_plan(plan, values, nullptr, true, 0);
    if (code != SPI_OK_SELECT) elog(ERROR, "could not read titles: %s", SPI_result_code_string(code));
    return copy_result(memory);
}

std::span<const Title> query_titles(const Opened& opened, std::span<const std::string_view> ids,
                                    bool is_callers) {
    const MemoryContext memory = CurrentMemoryContext;
    const int level = NewGUCNestLevel();
    if (opened.columns[0].form == ColumnForm::Cast) pin_text_settings();
    SPI_connect();
    const auto titles = run_query(opened, ids, is_callers, memory);
    SPI_finish();
    AtEOXact_GUC(false, level);
    return titles;
}

/// The same, but nothing where what a view reads is refused to it; in a parallel query, which knows no subtransactions, an error.
std::span<const Title> try_titles(const Opened& opened, std::span<const std::string_view> ids,
                                  bool is_callers) {
    if (opened.table.kind != RELKIND_VIEW || IsInParallelMode()) return query_titles(opened, ids, is_callers);
    const MemoryContext memory = CurrentMemoryContext;
    const ResourceOwner owner = CurrentResourceOwner;
    const Title* volatile found = nullptr;
    volatile std::size_t count = 0;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(memory);
    PG_TRY();
    {
        const auto titles = query_titles(opened, ids, is_callers);
        found = titles.data();
        count = titles.size();
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(memory);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(memory);
        CurrentResourceOwner = owner;
        if (error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE) ReThrowError(error);
        found = nullptr;
        count = 0;
    }
    PG_END_TRY();
    MemoryContextSwitchTo(memory);
    CurrentResourceOwner = owner;
    return {found, count};
}

}  // namespace

std::span<const Title> read_titles(const TitlesTable& where, std::span<const std::string_view> ids) {
    Opened opened{};
    if (ids.empty() || !open_titles(where, &opened)) return {};
    return try_titles(opened, ids, where.is_callers);
}

}  // namespace seqrec
