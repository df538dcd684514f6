#include "kinds/p5/p5_weights.hpp"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/kinds/p5.hpp"
#include "kinds/shared/batches.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

std::size_t reach_of(const P5Network& network) { return static_cast<std::size_t>(network.position.size(0)); }

/// The scale is the length of every row.
Probability read_probability(const SafetensorsFile& file) {
    const P5Encoder checked(file);  // every shape
    const Tensor rows = read_tensor(file, "item.embedding"), offset = read_tensor(file, "probability.offset");
    const double scale = rows.size(0) > 0 ? rows[0].norm().item<double>() : 1;
    return {scale, {offset.data_ptr<float>(), offset.data_ptr<float>() + offset.numel()}};
}

std::vector<bool> users_with_rows(const Tensor& personal) {
    std::vector<bool> found;
    const Tensor lengths = keeps_users(personal) && personal.size(0) > 0 ? personal.abs().amax(1) : Tensor();
    for (std::int64_t u = 0; u < personal.size(0); ++u) found.push_back(lengths.data_ptr<float>()[u] > 0);
    return found;
}

}  // namespace

P5Weights::P5Weights(P5State state, std::shared_ptr<const UserFeatures> features, Probability probability,
                     std::int64_t prompt_until)
    : state_(std::move(state)),
      scribe_(std::move(features), state_.network.dim()),
      probability_(std::move(probability)),
      prompt_until_(prompt_until),
      has_own_(users_with_rows(state_.personal)) {}

P5Weights::P5Weights(const SafetensorsFile& file)
    : P5Weights({P5Network(file), read_tensor(file, "user.embedding")},
                std::make_shared<const UserFeatures>(file), read_probability(file),
                nlohmann::json::parse(file.meta("config")).value("prompt_until", kAlways)) {}

Tensor P5Weights::item_rows() const {
    const at::NoGradGuard no_gradients;
    return unit_rows(state_.network.item) * probability_.scale;
}

Tensor P5Weights::encode(const Histories& histories, const std::vector<std::int32_t>& users) const {
    const at::NoGradGuard no_gradients;
    Tensor result = at::zeros({static_cast<std::int64_t>(histories.size()), state_.network.dim()});
    const std::size_t longest = reach_of(state_.network);
    for (std::size_t begin = 0, end = 0; begin < histories.size(); begin = end) {
        std::int64_t tokens = 0;
        while (end < histories.size() && tokens < kEncodedTokens)
            tokens += kMostPrompt + static_cast<std::int64_t>(std::min(histories[end++].size(), longest));
        encode_part(histories, users, begin, end, result);
    }
    return result;
}

void P5Weights::encode_part(const Histories& histories, const std::vector<std::int32_t>& users,
                            std::size_t begin, std::size_t end, const Tensor& result) const {
    Reading reading;
    std::vector<std::int64_t> last;
    std::vector<float> prompted;
    for (std::size_t i = begin; i < end; ++i) {
        const bool own = users[i] >= 0 && has_own_[static_cast<std::size_t>(users[i])];
        const bool short_enough = std::ssize(histories[i]) < prompt_until_;
        const bool said = scribe_.prompt(reading.terms, users[i], own || short_enough ? kAllColumns : 0,
                                         own ? users[i] : -1);
        if (!said && histories[i].empty()) scribe_.start(reading.terms);
        prompted.push_back(said ? 1.0f : 0.0f);
        std::int32_t place = 0;
        for (const std::int32_t click :
             histories[i].last(std::min(histories[i].size(), reach_of(state_.network))))
            scribe_.click(reading.terms, click, place++);
        reading.end_sequence(users[i]);
        last.push_back(reading.tokens() - 1);
    }
    const auto read = std::make_shared<const Reading>(std::move(reading));
    const Tensor hidden = state_.network.forward(read, state_.personal, {});
    result.narrow(0, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end - begin))
        .copy_(state_.network.answer(hidden.index_select(0, at::tensor(last, at::kLong)), prompted));
}

std::vector<NamedTensor> P5Weights::tensors() const {
    const at::NoGradGuard no_gradients;
    std::vector<NamedTensor> all;
    P5Network network = state_.network;  // shares its tensors
    network.for_each([&](const std::string& name, Tensor& tensor) {
        if (name != "item.embedding") all.push_back({name, tensor});
    });
    all.push_back({"click.length", network.item.norm(2, 1) / probability_.scale});
    Tensor offset = at::empty({network.dim() + 1});
    std::memcpy(offset.data_ptr(), probability_.offset.data(), offset.nbytes());
    all.push_back({"probability.offset", offset});
    for (NamedTensor& tensor : features().tensors()) all.push_back(std::move(tensor));
    return all;
}

}  // namespace seqrec::trainer
