#include "core/kinds/kind.hpp"

#include "core/error.hpp"
#include "core/kinds/logistic.hpp"
#include "core/kinds/p5.hpp"
#include "core/kinds/transformer.hpp"
#include "core/kinds/two_tower.hpp"
#include "core/kinds/vae.hpp"

namespace seqrec {
namespace {

constexpr const Kind* kKinds[] = {&kTransformer, &kLogistic, &kTwoTower, &kVae, &kP5};

std::vector<const Kind*>& linked() {
    static std::vector<const Kind*> kinds;
    return kinds;
}

const Kind* find(std::string_view name) {
    for (const Kind* kind : kinds())
        if (kind->name == name) return kind;
    return nullptr;
}

std::string known_names() {
    std::string names;
    for (const Kind* kind : kinds()) names += (names.empty() ? "" : ", ") + std::string(kind->name);
    return "Known kinds: " + names + ".";
}

}  // namespace

std::vector<const Kind*> kinds() {
    std::vector<const Kind*> all(std::begin(kKinds), std::end(kKinds));
    all.insert(all.end(), linked().begin(), linked().end());
    return all;
}

const Kind& find_kind(std::string_view name) {
    if (const Kind* kind = find(name)) return *kind;
    throw Error(sqlstate::kInvalidParameter, "unknown model kind \"" + std::string(name) + "\"",
                known_names());
}

const Kind& kind_of_model(std::string_view name) {
    if (const Kind* kind = find(name)) return *kind;
    throw Error(sqlstate::kFeatureNotSupported,
                "the model is of kind \"" + std::string(name) + "\", which this build does not know",
                known_names() + " Install the version of seqrec that trained it, or train again.");
}

const Kind& kind_of(const SafetensorsFile& file) { return kind_of_model(file.meta("kind")); }

LinkedKind::LinkedKind(const Kind& kind) { linked().push_back(&kind); }

}  // namespace seqrec
