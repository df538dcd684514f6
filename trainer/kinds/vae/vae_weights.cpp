#include "kinds/vae/vae_weights.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/kinds/vae.hpp"
#include "kinds/shared/batches.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr char kItems[] = "item.embedding", kLengths[] = "click.length";

/// The weights under the names of the file; the item matrix belongs to all kinds.
template <typename Visit>
void for_each_own(Vae& network, const Visit& visit) {
    network.for_each([&](const std::string& name, Tensor& tensor) {
        if (name != kItems) visit(name, tensor);
    });
}

}  // namespace

VaeWeights::VaeWeights(const SafetensorsFile& file) : users_(file.tensor("user.embedding").shape.at(0)) {
    const VaeEncoder checked(file);  // every shape
    const auto config = nlohmann::json::parse(file.meta("config"));
    network_ = Vae::of_shape(config.at("layers"), config.at("attention"));
    for_each_own(network_,
                 [&](const std::string& name, Tensor& tensor) { tensor = read_tensor(file, name); });
    network_.encoder.item = read_tensor(file, kItems) * read_tensor(file, kLengths);
}

Tensor VaeWeights::item_rows() const {
    const at::NoGradGuard no_gradients;
    return unit_rows(network_.encoder.item);
}

Tensor VaeWeights::encode(const Histories& histories, const std::vector<std::int32_t>&) const {
    const at::NoGradGuard no_gradients;
    const auto longest = static_cast<std::size_t>(network_.encoder.position.size(0));
    Tensor result = at::empty({static_cast<std::int64_t>(histories.size()), network_.dim()});
    for (std::size_t begin = 0, end = 0; begin < histories.size(); begin = end) {
        auto batch = std::make_shared<Packed>();
        while (end < histories.size() && batch->tokens() < kEncodedTokens) {
            batch->append(histories[end].last(std::min(histories[end].size(), longest)), -1);
            ++end;
        }
        result.narrow(0, static_cast<std::int64_t>(begin), batch->sequences())
            .copy_(unit_rows(network_.answer(batch)));
    }
    return result;
}

std::vector<NamedTensor> VaeWeights::tensors() const {
    std::vector<NamedTensor> all;
    Vae network = network_;  // shares its tensors
    for_each_own(network, [&](const std::string& name, Tensor& tensor) { all.push_back({name, tensor}); });
    all.push_back({kLengths, network.encoder.item.norm(2, 1, true)});
    return all;
}

}  // namespace seqrec::trainer
