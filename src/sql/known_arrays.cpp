#include "sql/known_arrays.hpp"

#include <algorithm>
#include <vector>

namespace seqrec {
namespace {

struct Known {
    const ArrayType* array;
    std::string version;
    std::shared_ptr<const Candidates> list;
};
std::vector<Known> known;

std::vector<Known>::iterator find(const ArrayType* array) {
    return std::ranges::find(known, array, &Known::array);
}

/// The array goes with the context that was given this callback.
void forget(void* array) {
    const auto found = find(static_cast<const ArrayType*>(array));
    if (found != known.end()) known.erase(found);
}

/// The array of an argument if its address says which it is, else null.
ExpandedArrayHeader* lasting_array(Datum value) {
    if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value))) return nullptr;
    auto* array = reinterpret_cast<ExpandedArrayHeader*>(DatumGetEOHP(value));
    return array->ea_magic == EA_MAGIC && array->fvalue ? array : nullptr;
}

}  // namespace

const ArrayType* flat_array(Datum value) {
    const ExpandedArrayHeader* array = lasting_array(value);
    return array ? array->fvalue : DatumGetArrayTypeP(value);
}

std::shared_ptr<const Candidates> known_candidates(Datum value, const std::string& version) {
    const ExpandedArrayHeader* array = lasting_array(value);
    const auto found = array ? find(array->fvalue) : known.end();
    return found != known.end() && found->version == version ? found->list : nullptr;
}

void remember_candidates(Datum value, const std::string& version,
                         const std::shared_ptr<const Candidates>& list) {
    const ExpandedArrayHeader* array = lasting_array(value);
    if (!array) return;
    const bool is_new = find(array->fvalue) == known.end();
    MemoryContextCallback* callback = nullptr;
    if (is_new) {
        callback = static_cast<MemoryContextCallback*>(
            MemoryContextAlloc(array->hdr.eoh_context, sizeof(MemoryContextCallback)));
        callback->func = forget;
        callback->arg = array->fvalue;
    }
    guarded([&] {
        if (is_new) known.push_back({array->fvalue, {}, {}});
        const auto entry = find(array->fvalue);
        entry->version = version;
        entry->list = list;
    });
    if (is_new) MemoryContextRegisterResetCallback(array->hdr.eoh_context, callback);
}

}  // namespace seqrec
