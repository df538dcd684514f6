#include "text/bert_weights.hpp"

#include <cstring>
#include <functional>

#include "core/files/safetensors.hpp"

namespace seqrec::trainer {
namespace {

constexpr char kFile[] = "model.safetensors";

SafetensorsFile open(const ModelFolder& folder) {
    if (!folder.has(kFile))
        folder.fail(sqlstate::kIo, kFile,
                    "the language model has no model.safetensors; other formats of weights are not read");
    try {
        return SafetensorsFile::open(folder.file(kFile), false);
    } catch (const Error& error) {
        folder.fail(error.sqlstate.c_str(), kFile,
                    std::string("the language model's weights can't be read: ") + error.what());
    }
}

std::string shape_text(const Shape& shape) {
    std::string text = "[";
    for (const std::int64_t length : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(length);
    return text + "]";
}

/// Where weights come from: a tensor of a name and a shape.
using Source = std::function<at::Tensor(const std::string& name, const Shape& shape)>;

/// Reads tensors of a file by the names that Hugging Face gives them.
class FileSource {
  public:
    FileSource(const ModelFolder& folder, const SafetensorsFile& file) : folder_(folder), file_(file) {
        if (file_.contains("bert.embeddings.word_embeddings.weight")) prefix_ = "bert.";
    }

    at::Tensor operator()(const std::string& name, const Shape& shape) const {
        const auto found = file_.tensors().find(present(prefix_ + name));
        if (found == file_.tensors().end())
            folder_.fail(sqlstate::kDataCorrupted, kFile,
                         "the language model's weights have no tensor \"" + prefix_ + name + "\"");
        const auto& [full, tensor] = *found;
        if (tensor.shape != shape)
            folder_.fail(sqlstate::kDataCorrupted, kFile,
                         "the tensor \"" + full + "\" of the language model has the shape " +
                             shape_text(tensor.shape) + ", config.json says " + shape_text(shape));
        at::Tensor result = at::empty(shape, type(full, tensor.dtype));
        std::memcpy(result.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
        return result;
    }

  private:
    /// Early models say gamma and beta of what is now weight and bias.
    std::string present(const std::string& name) const {
        if (file_.contains(name) || name.find("LayerNorm") == std::string::npos) return name;
        const std::size_t dot = name.rfind('.');
        return name.substr(0, dot) + (name.substr(dot) == ".weight" ? ".gamma" : ".beta");
    }

    at::ScalarType type(const std::string& name, DType type) const {
        if (type == DType::F32) return at::kFloat;
        if (type == DType::F16) return at::kHalf;
        if (type == DType::BF16) return at::kBFloat16;
        folder_.fail(sqlstate::kFeatureNotSupported, kFile,
                     "the tensor \"" + name + "\" of the language model is " + std::string(dtype_name(type)) +
                         ", not F32, F16 or BF16");
    }

    const ModelFolder& folder_;
    const SafetensorsFile& file_;
    std::string prefix_;
};

/// Puts a model together from its tensors.
class Builder {
  public:
    Builder(const BertConfig& config, Source source) : config_(config), source_(std::move(source)) {}

    BertWeights build() const {
        const std::int64_t hidden = config_.hidden;
        BertWeights weights;
        weights.words = source_("embeddings.word_embeddings.weight", {config_.vocabulary, hidden});
        weights.positions = floats("embeddings.position_embeddings.weight", {config_.positions, hidden});
        weights.type = floats("embeddings.token_type_embeddings.weight", {config_.types, hidden})[0].clone();
        weights.norm = norm("embeddings.LayerNorm");
        for (std::int64_t i = 0; i < config_.layers; ++i)
            weights.layers.push_back(layer("encoder.layer." + std::to_string(i) + "."));
        return weights;
    }

  private:
    at::Tensor floats(const std::string& name, const Shape& shape) const {
        return source_(name, shape).to(at::kFloat).contiguous();
    }
    NormWeights norm(const std::string& name) const {
        return {floats(name + ".weight", {config_.hidden}), floats(name + ".bias", {config_.hidden})};
    }
    LinearWeights linear(const std::string& name, std::int64_t out, std::int64_t in) const {
        return {floats(name + ".weight", {out, in}), floats(name + ".bias", {out})};
    }

    /// The three as one product.
    LinearWeights query_key_value(const std::string& name) const {
        std::vector<at::Tensor> weights, biases;
        for (const char* part : {"query", "key", "value"}) {
            const LinearWeights one = linear(name + part, config_.hidden, config_.hidden);
            weights.push_back(one.weight);
            biases.push_back(one.bias);
        }
        return {at::cat(weights), at::cat(biases)};
    }

    BertLayerWeights layer(const std::string& name) const {
        const std::int64_t hidden = config_.hidden, inner = config_.inner;
        return {query_key_value(name + "attention.self."),
                linear(name + "attention.output.dense", hidden, hidden),
                linear(name + "intermediate.dense", inner, hidden),
                linear(name + "output.dense", hidden, inner),
                norm(name + "attention.output.LayerNorm"),
                norm(name + "output.LayerNorm")};
    }

    const BertConfig& config_;
    Source source_;
};

}  // namespace

BertWeights read_bert_weights(ModelFolder& folder, const BertConfig& config) {
    const SafetensorsFile file = open(folder);
    folder.count(file.mapped().bytes().data(), file.size());
    return Builder(config, FileSource(folder, file)).build();
}

BertWeights random_bert_weights(const BertConfig& config) {
    return Builder(config,
                   [](const std::string& name, const Shape& shape) {
                       if (name.ends_with(".bias")) return at::zeros(shape);
                       return name.find("LayerNorm") == std::string::npos ? at::randn(shape) * 0.02
                                                                          : at::ones(shape);
                   })
        .build();
}

}  // namespace seqrec::trainer
