#include "sql/allowed_items.hpp"

#include "core/candidate_lists.hpp"

#include "sql/number_ids.hpp"
#include "tables/id_text.hpp"

namespace seqrec {
namespace {

using Items = std::shared_ptr<const Candidates>;

CandidateLists lists;  // of this session, whatever model and function they were given to

/// What tells an array from others.
std::string_view bytes_of(const ArrayType* array) {
    return {reinterpret_cast<const char*>(array) + VARHDRSZ, VARSIZE(array) - VARHDRSZ};
}

Items looked_up(const Snapshot& snapshot, auto ids) {
    return std::make_shared<const Candidates>(snapshot.items(), ids, Poll(check_for_interrupts));
}

void look_up_items(const ServingModel& model, const ArrayType* array, Items& items) {
    const Snapshot& snapshot = *model.snapshot;
    if (holds_numbers(array) && numbers_are_ids(model.item_type)) {
        const std::span<const std::int64_t> numbers = numbers_of(array);
        return guarded([&] { items = looked_up(snapshot, numbers); });
    }
    IdArray ids = ids_of(array);
    canonicalize(ids.view(), model.item_type);
    const std::span<const std::string_view> texts = ids.view();
    guarded([&] { items = looked_up(snapshot, texts); });
}

void forget_array(void* array) { lists.forget(array); }

/// What the memory of an array will call at its end; null when it has been told to already, or the array does not last.
MemoryContextCallback* callback_for(const GivenArray& given) {
    if (!given.lasts || lists.knows(given.array)) return nullptr;
    auto* callback =
        static_cast<MemoryContextCallback*>(MemoryContextAlloc(given.lasts, sizeof(MemoryContextCallback)));
    callback->func = forget_array;
    callback->arg = const_cast<ArrayType*>(given.array);
    return callback;
}

}  // namespace

void find_allowed_items(const ServingModel& model, const GivenArray& given, Items& items) {
    guarded([&] { items.reset(); });
    if (!given.array) return;
    if (reading_needs_settings(model.item_type)) return look_up_items(model, given.array, items);
    const CandidateLists::Given key{model.mapping, bytes_of(given.array),
                                    given.lasts ? given.array : nullptr};
    MemoryContextCallback* callback = callback_for(given);
    guarded([&] { items = lists.find(key); });
    if (!items) {
        look_up_items(model, given.array, items);
        guarded([&] { lists.keep(key, items); });
    }
    if (callback) MemoryContextRegisterResetCallback(given.lasts, callback);
}

}  // namespace seqrec
