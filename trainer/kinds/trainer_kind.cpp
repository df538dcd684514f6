#include "kinds/trainer_kind.hpp"

#include "core/error.hpp"
#include "kinds/logistic/logistic_model.hpp"
#include "kinds/p5/p5_model.hpp"
#include "kinds/transformer/transformer_model.hpp"
#include "kinds/two_tower/two_tower_model.hpp"
#include "kinds/vae/vae_model.hpp"

namespace seqrec::trainer {
namespace {

constexpr const TrainerKind* kKinds[] = {&kTransformerTrainer, &kLogisticTrainer, &kTwoTowerTrainer,
                                         &kVaeTrainer, &kP5Trainer};

std::vector<const TrainerKind*>& all_kinds() {
    static std::vector<const TrainerKind*> kinds(std::begin(kKinds), std::end(kKinds));
    return kinds;
}

}  // namespace

const TrainerKind& trainer_kind(std::string_view name) {
    const Kind& kind = find_kind(name);
    for (const TrainerKind* known : all_kinds())
        if (known->kind == &kind) return *known;
    throw Error(sqlstate::kInvalidParameter,
                "this trainer can't train models of kind \"" + std::string(name) + "\"",
                "Install the seqrec-trainer that belongs to this version of the extension.");
}

std::unique_ptr<const Weights> read_weights(const SafetensorsFile& file) {
    return trainer_kind(kind_of(file).name).read(file);
}

LinkedTrainerKind::LinkedTrainerKind(const TrainerKind& kind) { all_kinds().push_back(&kind); }

}  // namespace seqrec::trainer
