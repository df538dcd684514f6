#include "kinds/two_tower/towers.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "files/tensor_file.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr double kRowLength =
    0.16;  // of what content makes of an item at the beginning, as of an id's residual
constexpr double kContentSteps = 4;     // how much faster than an id content may move an item
constexpr double kRowDeviation = 0.02;  // of features' rows

/// Normal numbers by Box and Muller.
Tensor normal(std::initializer_list<std::int64_t> shape, double deviation, Random& random) {
    Tensor tensor = at::empty(shape, at::kFloat);
    float* values = tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
        values[i] = static_cast<float>(deviation * radius * std::cos(6.283185307179586 * random.uniform()));
    }
    return tensor;
}

double inverse_root(std::int64_t width) { return 1 / std::sqrt(static_cast<double>(width)); }

/// Means over the rows of which something is known: of the sum of their numbers' sizes, and of their lengths.
std::pair<double, double> sizes_of(const ContentRows& content) {
    const double count = std::max(1.0, content.known.sum().item<double>());
    return {content.rows.norm(1, 1).sum().item<double>() / count + 1e-9,
            content.rows.norm(2, 1).sum().item<double>() / count + 1e-9};
}

}  // namespace

ContentRows::ContentRows(Tensor content)
    : rows(std::move(content)), known(rows.norm(1, 1, true).gt(0).to(at::kFloat)) {}

ContentRows ContentRows::part(std::int64_t begin, std::int64_t end) const {
    ContentRows some;
    if (!exist()) return some;
    some.rows = rows.narrow(0, begin, end - begin);
    some.known = known.narrow(0, begin, end - begin);
    return some;
}

ContentRows ContentRows::at(const Tensor& index) const {
    ContentRows some;
    if (!exist()) return some;
    some.rows = rows.index_select(0, index);
    some.known = known.index_select(0, index);
    return some;
}

Towers::Towers(const TowerSettings& settings, const ContentRows& content, std::int64_t feature_rows,
               Random& random) {
    const std::int64_t dim = settings.dim, hidden = settings.hidden, inner = settings.content_hidden;
    if (content.exist()) {
        const auto [sum, length] = sizes_of(content);
        content_scale = kContentSteps / sum;
        const double scaled = content_scale * length;
        if (inner > 0) {
            content_wide_weight = normal({inner, content.width()}, 1 / scaled, random);
            content_wide_bias = at::zeros({inner});
        }
        const double deviation =
            kRowLength * inverse_root(dim) / (inner > 0 ? std::sqrt(0.4 * inner) : scaled);
        content_weight = normal({dim, inner > 0 ? inner : content.width()}, deviation, random);
        content_bias = at::zeros({dim});
    }
    attention_weight = normal({3 * dim, dim}, inverse_root(dim), random);
    attention_bias = at::zeros({3 * dim});
    relative = at::zeros({settings.heads, settings.max_len});
    wide_weight = normal({hidden, 2 * dim}, inverse_root(2 * dim), random);
    wide_bias = at::zeros({hidden});
    wide_features = normal({hidden, dim}, inverse_root(dim), random);
    narrow_weight = normal({dim, hidden}, 0.5 * inverse_root(hidden), random);
    skip_weight = normal({dim, 2 * dim}, 0.5 * inverse_root(2 * dim), random);
    skip_features = normal({dim, dim}, 0.5 * inverse_root(dim), random);
    bias = at::zeros({dim});
    features = normal({feature_rows, dim}, kRowDeviation, random);
    shift = at::zeros({1});
}

Towers::Towers(const SafetensorsFile& file) try {
    content_scale = nlohmann::json::parse(file.meta("config")).at("content_scale");
    const auto take = [&](const std::string& name, Tensor& tensor) {
        if (name.starts_with("content.") && !file.contains(name)) return;
        tensor = read_tensor(file, name);
    };
    // for_each leaves out what is undefined
    for (Tensor* tensor :
         {&content_wide_weight, &content_wide_bias, &content_weight, &content_bias, &attention_weight,
          &attention_bias, &relative, &wide_weight, &wide_bias, &wide_features, &narrow_weight, &skip_weight,
          &skip_features, &bias, &features, &shift})
        *tensor = at::empty({0});
    for_each(take);
    for (Tensor* tensor : {&content_wide_weight, &content_wide_bias, &content_weight, &content_bias})
        if (tensor->numel() == 0) *tensor = Tensor();
} catch (const nlohmann::json::exception& error) {
    throw Error(sqlstate::kDataCorrupted, std::string("model is not valid: ") + error.what(),
                "Train the model again.");
}

void Towers::for_each(const Visit& visit) {
    const auto offer = [&](const char* name, Tensor& tensor) {
        if (tensor.defined()) visit(name, tensor);
    };
    offer("content.wide.weight", content_wide_weight);
    offer("content.wide.bias", content_wide_bias);
    offer("content.weight", content_weight);
    offer("content.bias", content_bias);
    offer("attention.weight", attention_weight);
    offer("attention.bias", attention_bias);
    offer("attention.relative", relative);
    offer("query.wide.weight", wide_weight);
    offer("query.wide.bias", wide_bias);
    offer("query.wide.features", wide_features);
    offer("query.narrow.weight", narrow_weight);
    offer("query.skip.weight", skip_weight);
    offer("query.skip.features", skip_features);
    offer("query.bias", bias);
    offer("feature.rows", features);
    offer("bce.shift", shift);
}

std::vector<Tensor> Towers::tensors() {
    std::vector<Tensor> list;
    for_each([&](const std::string&, Tensor& tensor) { list.push_back(tensor); });
    return list;
}

Tensor Towers::items(const Tensor& residuals, const ContentRows& content) const {
    return unit_rows(content_weight.defined() ? residuals + said(content) : residuals);
}

Tensor Towers::said(const ContentRows& content) const {
    Tensor inner = content.rows;
    double scale = content_scale;
    if (content_wide_weight.defined()) {
        const Tensor wide = at::mm(inner, content_wide_weight.t()) * scale;
        inner = bias_gelu(wide, content_wide_bias, {0, 0});
        scale = 1;
    }
    return (at::mm(inner, content_weight.t()) * scale + content_bias) * content.known;
}

Tensor Towers::look(const Batch& batch, const Tensor& items, Pass pass) const {
    const auto scale = std::sqrt(static_cast<float>(dim()));
    const Tensor x = embed(items, at::zeros({relative.size(1), dim()}), batch, scale, pass.mask(0));
    const Tensor qkv = product(x, attention_weight, pass.bfloat16);
    return at::cat({attention(qkv, attention_bias, relative, batch, pass.mask(1)), x}, 1);
}

Tensor Towers::sums(const std::vector<std::span<const QueryFeature>>& lists) const {
    std::vector<std::int64_t> rows, of;
    std::vector<float> x;
    for (std::size_t i = 0; i < lists.size(); ++i)
        for (const QueryFeature& feature : lists[i]) {
            rows.push_back(feature.row);
            of.push_back(static_cast<std::int64_t>(i));
            x.push_back(feature.x * std::sqrt(static_cast<float>(dim())));
        }
    const Tensor none = at::zeros({static_cast<std::int64_t>(lists.size()), dim()});
    if (rows.empty()) return none;
    const Tensor taken = features.index_select(0, at::tensor(rows)) * at::tensor(x).unsqueeze(1);
    return none.index_add(0, at::tensor(of), taken);
}

Tensor Towers::answer(const Tensor& seen, const Tensor& sums, const Add& add, Pass pass) const {
    const auto multiply = [&](const Tensor& x, const Tensor& weight) {
        return product(x, weight, pass.bfloat16);
    };
    Tensor wide = multiply(seen, wide_weight), direct = multiply(seen, skip_weight);
    if (sums.defined()) {
        wide = add(wide, multiply(sums, wide_features));
        direct = add(direct, multiply(sums, skip_features));
    }
    const Tensor active = bias_gelu(wide, wide_bias, pass.mask(2));
    return unit_rows(join(multiply(active, narrow_weight), bias, direct, pass.mask(3)));
}

}  // namespace seqrec::trainer
