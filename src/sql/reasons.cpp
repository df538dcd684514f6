#include "sql/reasons.hpp"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/reason_text.hpp"
#include "core/words.hpp"

#include "pg/boundary.hpp"
#include "pg/catalog.hpp"
#include "pg/settings.hpp"
#include "sql/context.hpp"
#include "tables/titles.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
}

namespace seqrec {
namespace {

// --- encodings ---

/// In SQL_ASCII bytes are what they are, and may be anything.
std::string utf8_of(std::string_view text) {
    return GetDatabaseEncoding() == PG_SQL_ASCII ? std::string(text) : to_utf8(text);
}

const char* server_text(const std::string& text) {
    return GetDatabaseEncoding() == PG_SQL_ASCII ? palloc_copy(text) : from_utf8(text);
}

/// Whether Chinese can be written in the database's encoding.
bool writes_chinese() {
    const int encoding = GetDatabaseEncoding();
    return encoding == PG_UTF8 || encoding == PG_EUC_CN || encoding == PG_SQL_ASCII;
}

// --- templates ---

const char* text_at(HeapTuple row, TupleDesc columns, const char* name) {
    bool null = false;
    const Datum value = heap_getattr(row, SPI_fnumber(columns, name), columns, &null);
    return null ? "" : TextDatumGetCString(value);
}

/// seqrec.reason_templates, which has a handful of rows. Read with nobody's privileges, as all of seqrec's tables are.
std::span<const ReasonTemplate> read_templates() {
    List* rows = NIL;
    SnapshotData* snapshot = RegisterSnapshot(GetActiveSnapshot());
    Relation table = table_open(catalog_table("reason_templates"), AccessShareLock);
    TupleDesc columns = RelationGetDescr(table);
    SysScanDesc scan = systable_beginscan(table, InvalidOid, false, snapshot, 0, nullptr);
    while (HeapTuple row = systable_getnext(scan)) {
        auto* read = static_cast<ReasonTemplate*>(palloc(sizeof(ReasonTemplate)));
        *read = {text_at(row, columns, "language"), text_at(row, columns, "kind"),
                 text_at(row, columns, "template")};
        rows = lappend(rows, read);
    }
    systable_endscan(scan);
    table_close(table, AccessShareLock);
    UnregisterSnapshot(snapshot);
    auto* all = static_cast<ReasonTemplate*>(
        palloc(sizeof(ReasonTemplate) * static_cast<Size>(list_length(rows) + 1)));
    std::size_t count = 0;
    ListCell* cell;
    foreach (cell, rows) all[count++] = *static_cast<ReasonTemplate*>(lfirst(cell));
    return {all, count};
}

// --- where titles are ---

struct ModelsItems {
    bool given;
    SourceName name;
    const char *id_column, *item_column, *first_text;
};

/// The column that a list of the model's source names first, when it names any.
const char* first_of(const nlohmann::json& items, const char* list) {
    const auto found = items.find(list);
    if (found == items.end() || !found->is_array() || found->empty() || !found->front().is_string())
        return nullptr;
    return from_utf8(found->front().get_ref<const std::string&>());
}

nlohmann::json config_of(const ServingModel& model) {
    return nlohmann::json::parse(model.snapshot->file().meta("config"), nullptr, false);
}

ModelsItems items_of(const ServingModel& model) {
    const std::uint64_t system = GetSystemIdentifier();
    return guarded([&] {
        const auto source = nlohmann::json::parse(to_utf8(model.source));
        const auto text = [](const nlohmann::json& object, const char* name) {
            return from_utf8(object.value(name, "item_id"));
        };
        ModelsItems items{source.contains("items"), {}, nullptr, text(source, "item_column"), nullptr};
        if (!items.given) return items;
        items.first_text = first_of(source.at("items"), "text");
        items.name = source_from_json(source.at("items"), system);
        items.id_column = text(source.at("items"), "id_column");
        return items;
    });
}

/// What a column of titles is mostly called; else the first of the columns whose text the model reads.
const char* guess_title_column(Oid relation, const char* first_text) {
    for (const char* name : {"title", "name"})
        if (get_attnum(relation, name) > 0) return name;
    return first_text;
}

TitlesTable titles_table(const ServingModel& model, const WordsWish& wish) {
    const ModelsItems items = items_of(model);
    TitlesTable table{wish.titles, wish.id_column, wish.title_column, OidIsValid(wish.titles)};
    if (!table.is_callers && items.given) table.relation = find_source(items.name);
    if (!OidIsValid(table.relation)) return table;
    if (!table.id_column) table.id_column = table.is_callers ? items.item_column : items.id_column;
    if (!table.title_column) table.title_column = guess_title_column(table.relation, items.first_text);
    return table;
}

// --- which titles ---

std::vector<std::int32_t> clicks_of(const ServingModel& model, const SqlAsker& asker) {
    return clicks_that_count(*model.snapshot, asker.clicks.view(), check_for_interrupts);
}

bool names_no_click(const Reason& reason) { return reason.source == Source::Clicks && reason.click < 0; }

/// Ids of the items and of the clicks that are named, or may be compared, each once. Palloc'd.
std::span<const std::string_view> wanted_ids(const ServingModel& model, const SqlAsker& asker,
                                             std::span<const Explained> explained) {
    std::string_view* ids = nullptr;
    const std::size_t count = guarded([&] {
        std::vector<std::int32_t> items;
        bool compares = false;
        for (const Explained& each : explained) {
            items.push_back(each.item);
            if (each.reason.click >= 0) items.push_back(each.reason.click);
            compares = compares || names_no_click(each.reason);
        }
        if (compares) std::ranges::copy(clicks_of(model, asker), std::back_inserter(items));
        std::ranges::sort(items);
        items.erase(std::unique(items.begin(), items.end()), items.end());
        ids = postgres([&] {
            return static_cast<std::string_view*>(palloc(sizeof(std::string_view) * (items.size() + 1)));
        });
        std::ranges::transform(items, ids,
                               [&](std::int32_t item) { return model.snapshot->items().id(item); });
        return items.size();
    });
    return {ids, count};
}

// --- sentences ---

/// All that sentences of one call are made of.
class Writer {
  public:
    Writer(const ServingModel& model, const SqlAsker& asker, std::string language,
           std::span<const ReasonTemplate> templates, std::span<const Title> titles)
        : snapshot_(*model.snapshot),
          language_(std::move(language)),
          templates_(read(templates)),
          clicks_(clicks_of(model, asker)),
          user_(find_user(snapshot_, asker.user)),
          context_(parse_context(asker.context)) {
        for (const Title& title : titles) titles_.emplace(title.id, utf8_of(title.title));
        const auto config = config_of(model);
        const auto content = config.find("content");
        reads_texts_ = content != config.end() && !content->value("text", nlohmann::json()).is_null();
    }

    std::string sentence(const Explained& each) const {
        ReasonKind kind = kind_of(each);
        std::string words = kind == ReasonKind::Context ? part_of_context(each.reason.part) : "";
        if (kind == ReasonKind::Clicks && reads_texts_) words = words_with_clicks(each.item);
        if (kind == ReasonKind::Clicks && !words.empty()) kind = ReasonKind::Words;
        const std::string_view text = find_template(templates_, language_, kind);
        if (each.reason.click < 0) return fill_template(text, {"", "", words});
        if (text.find("{words}") != text.npos) words = joined(shared(each.item, each.reason.click));
        return fill_template(
            text, {utf8_of(snapshot_.items().id(each.reason.click)), title(each.reason.click), words});
    }

  private:
    /// In UTF-8, which `texts_` keeps.
    std::vector<ReasonTemplate> read(std::span<const ReasonTemplate> templates) {
        texts_.reserve(templates.size());
        std::vector<ReasonTemplate> all;
        for (const ReasonTemplate& each : templates) {
            texts_.push_back(utf8_of(each.text));
            all.push_back({each.language, each.kind, texts_.back()});
        }
        return all;
    }

    ReasonKind kind_of(const Explained& each) const {
        const Reason& reason = each.reason;
        if (reason.source == Source::Popular) return ReasonKind::Popular;
        if (reason.source == Source::User) {
            if (reason.part >= 0) return ReasonKind::Context;
            if (knows_features()) return ReasonKind::Features;
            if (user_ >= 0) return ReasonKind::User;
            return context_ && !context_->empty() ? ReasonKind::Features : ReasonKind::Popular;  // a stranger
        }
        if (reason.click < 0) return ReasonKind::Clicks;
        if (reason.click == each.item) return ReasonKind::Again;
        return reason.click == clicks_.back() ? ReasonKind::LatestClick : ReasonKind::Click;
    }

    /// Whether the model keeps features of the user.
    bool knows_features() const {
        constexpr char kName[] = "feature.user.offsets";
        const auto& file = snapshot_.file();
        if (user_ < 0 || !file.contains(kName)) return false;
        const auto offsets = file.get<std::int64_t>(kName, {snapshot_.users().size() + 1});
        return offsets[static_cast<std::size_t>(user_) + 1] > offsets[static_cast<std::size_t>(user_)];
    }

    const std::string* known_title(std::int32_t item) const {
        const auto found = titles_.find(snapshot_.items().id(item));
        return found == titles_.end() ? nullptr : &found->second;
    }

    std::string title(std::int32_t item) const {
        const std::string* known = known_title(item);
        return shortened(known ? *known : utf8_of(snapshot_.items().id(item)), 80,
                         writes_chinese() ? "\u2026" : "...");
    }

    std::vector<std::string> shared(std::int32_t item, std::int32_t click) const {
        const std::string *own = known_title(item), *other = known_title(click);
        return own && other ? shared_words(*own, *other) : std::vector<std::string>();
    }

    std::string joined(const std::vector<std::string>& words) const { return joined_words(words, language_); }

    /// What the item shares with the click that it shares most with, of several the latest.
    std::string words_with_clicks(std::int32_t item) const {
        std::string most;
        for (auto click = clicks_.rbegin(); click != clicks_.rend(); ++click)
            if (std::string words = joined(shared(item, *click));
                *click != item && words.size() > most.size())
                most = std::move(words);
        return most;
    }

    /// A key of the context and its value, as "device: phone".
    std::string part_of_context(std::int32_t part) const {
        const auto found = std::next(context_->begin(), part);
        const auto value = found->is_string()
                               ? found->get<std::string>()
                               : found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        return shortened(found.key() + ": " + value, 80, writes_chinese() ? "\u2026" : "...");
    }

    const Snapshot& snapshot_;
    std::string language_;
    std::vector<std::string> texts_;
    std::vector<ReasonTemplate> templates_;
    std::vector<std::int32_t> clicks_;
    std::int32_t user_;
    std::optional<nlohmann::json> context_;
    std::unordered_map<std::string_view, std::string> titles_;
    bool reads_texts_ = false;
};

std::string language_for(const WordsWish& wish) {
    std::string language = language_of(wish.language ? wish.language : locale_messages);
    return language == "zh" && !writes_chinese() ? "en" : language;
}

/// Says that nothing is written in the language that was asked for.
void tell_of_other_language(const WordsWish& wish, std::span<const ReasonTemplate> templates) {
    if (!wish.language) return;
    const bool written = guarded([&] {
        const std::string language = language_for(wish);
        const auto in_it = [&](const ReasonTemplate& each) { return each.language == language; };
        return std::ranges::any_of(templates, in_it) ||
               std::ranges::any_of(default_reason_templates(), in_it);
    });
    if (!written)
        ereport(NOTICE,
                (errmsg("no templates of reasons in language \"%s\": they are in English", wish.language),
                 errhint("Add rows to seqrec.reason_templates, or use \"en\" or \"zh\".")));
}

}  // namespace

WordsWish read_words_wish(FunctionCallInfo fcinfo, int first) {
    if (PG_NARGS() < first + kWordsWishes) report_old_extension();
    const auto name = [&](int number) {
        return PG_ARGISNULL(number) ? nullptr : static_cast<const char*>(NameStr(*PG_GETARG_NAME(number)));
    };
    return {PG_ARGISNULL(first) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(first)),
            PG_ARGISNULL(first + 1) ? InvalidOid : PG_GETARG_OID(first + 1), name(first + 2),
            name(first + 3)};
}

std::span<const Explained> explain_items(const ServingModel& model, const SqlAsker& asker,
                                         std::span<const std::int32_t> items) {
    Explained* explained = static_cast<Explained*>(palloc(sizeof(Explained) * (items.size() + 1)));
    guarded([&] {
        const auto context = parse_context(asker.context);
        const auto reasons = explain(*model.snapshot, {asker.user, asker.clicks.view(), pointer(context)},
                                     items, settings::exact, check_for_interrupts);
        for (std::size_t i = 0; i < items.size(); ++i) explained[i] = {items[i], reasons[i]};
    });
    return {explained, items.size()};
}

const char** reason_texts(const ServingModel& model, const SqlAsker& asker,
                          std::span<const Explained> explained, const WordsWish& wish) {
    const auto titles = read_titles(titles_table(model, wish), wanted_ids(model, asker, explained));
    const auto templates = read_templates();
    tell_of_other_language(wish, templates);
    auto** texts = static_cast<const char**>(palloc(sizeof(char*) * (explained.size() + 1)));
    guarded([&] {
        const Writer writer(model, asker, language_for(wish), templates, titles);
        for (std::size_t i = 0; i < explained.size(); ++i)
            texts[i] = server_text(writer.sentence(explained[i]));
    });
    return texts;
}

}  // namespace seqrec

extern "C" {

PG_FUNCTION_INFO_V1(seqrec_default_reason_templates);
Datum seqrec_default_reason_templates(PG_FUNCTION_ARGS) {
    using namespace seqrec;
    InitMaterializedSRF(fcinfo, 0);
    auto* info = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    for (const ReasonTemplate& each : default_reason_templates()) {
        if (each.language == "zh" && !writes_chinese()) continue;
        const char* text = guarded([&] { return server_text(std::string(each.text)); });
        Datum values[3] = {CStringGetTextDatum(each.language.data()), CStringGetTextDatum(each.kind.data()),
                           CStringGetTextDatum(text)};
        bool nulls[3] = {};
        tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
    return (Datum)0;
}
}
