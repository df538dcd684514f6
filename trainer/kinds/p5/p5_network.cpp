#include "kinds/p5/p5_network.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "files/tensor_file.hpp"

namespace seqrec::trainer {

using at::Tensor;

P5Network::P5Network(const P5Settings& settings, std::int64_t items, std::int64_t feature_rows,
                     Random& random) {
    const std::int64_t dim = settings.dim;
    item = normal({items, dim}, 0.02, random);
    position = normal({settings.max_len, dim}, 0.02, random);
    special = normal({kSpecials, dim}, 0.02, random);
    features = normal({feature_rows, dim}, 0.02, random);
    norm_weight = at::ones({dim});
    norm_bias = at::zeros({dim});
    head = at::zeros({dim, dim});
    for (std::int64_t i = 0; i < settings.layers; ++i)
        blocks.push_back(
            fresh_block({dim, settings.layers, settings.heads, settings.max_len + kMostPrompt}, random));
}

P5Network::P5Network(const SafetensorsFile& file) {
    blocks.resize(nlohmann::json::parse(file.meta("config")).at("layers").get<std::size_t>());
    for_each([&](const std::string& name, Tensor& tensor) { tensor = read_tensor(file, name); });
    item = item * read_tensor(file, "click.length").unsqueeze(1);
}

void P5Network::for_each(const Visit& visit) {
    visit("item.embedding", item);
    visit("position.embedding", position);
    visit("prompt.special", special);
    visit("feature.rows", features);
    visit("norm.weight", norm_weight);
    visit("norm.bias", norm_bias);
    visit("head.weight", head);
    for_each_tensor(blocks, visit);
}

std::vector<Tensor> P5Network::tensors() {
    std::vector<Tensor> list;
    for_each([&](const std::string&, Tensor& tensor) { list.push_back(tensor); });
    return list;
}

bool P5Network::is_trained(const std::string& name, Stage stage) {
    if (stage == Stage::Tune) return true;
    if (stage == Stage::Pretrain) return name != "feature.rows" && name != "head.weight";
    for (const char* part : {"prompt.", "feature.", "head."})
        if (name.starts_with(part)) return true;
    return false;
}

Tensor P5Network::forward(const std::shared_ptr<const Reading>& reading, const Tensor& personal,
                          Pass pass) const {
    const std::shared_ptr<const Terms> terms(reading, &reading->terms);
    const Batch sequences(reading, &reading->sequences);
    const Tensor x = gather({item, position, special, features, personal}, terms, pass.mask(0));
    return norm(run_blocks(blocks, x, sequences, pass), norm_weight, norm_bias);
}

Tensor P5Network::answer(const Tensor& hidden, const std::vector<float>& prompted, bool bfloat16) const {
    if (std::ranges::count(prompted, 0.0f) == std::ssize(prompted)) return unit_rows(hidden);
    return unit_rows(hidden + product(hidden * at::tensor(prompted).unsqueeze(1), head, bfloat16));
}

P5State copy_of(P5State state) {
    state.network.for_each([](const std::string&, Tensor& tensor) { tensor = tensor.clone(); });
    state.personal = state.personal.clone();
    return state;
}

}  // namespace seqrec::trainer
