#include "text/bert_config.hpp"

#include <cmath>

namespace seqrec::trainer {
namespace {

using kernels::Activation;
using nlohmann::json;

constexpr char kModelConfig[] = "config.json";
constexpr char kModules[] = "modules.json";

[[noreturn]] void refuse(const ModelFolder& folder, const std::string& file, const std::string& what) {
    folder.fail(sqlstate::kFeatureNotSupported, file, "seqrec does not know language models with " + what);
}

void expect(const ModelFolder& folder, const json& config, const char* key, const char* wanted,
            const char* missing) {
    const auto given = member<std::string>(folder, kModelConfig, config, key, missing);
    if (given != wanted) refuse(folder, kModelConfig, std::string(key) + " \"" + given + "\"");
}

std::int64_t size(const ModelFolder& folder, const json& config, const char* key, std::int64_t most) {
    const auto value = member<std::int64_t>(folder, kModelConfig, config, key, -1);
    if (value < 1 || value > most)
        folder.fail(
            sqlstate::kDataCorrupted, kModelConfig,
            "the language model's " + std::string(key) + " is not between 1 and " + std::to_string(most));
    return value;
}

Activation activation(const ModelFolder& folder, const json& config) {
    const auto name = member<std::string>(folder, kModelConfig, config, "hidden_act", "gelu");
    if (name == "gelu") return Activation::Gelu;
    if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::GeluTanh;
    if (name == "relu") return Activation::Relu;
    refuse(folder, kModelConfig, "hidden_act \"" + name + "\"");
}

/// The last part of a Python class's name.
std::string class_name(const ModelFolder& folder, const json& module) {
    const auto type = member<std::string>(folder, kModules, module, "type", "");
    return type.substr(type.rfind('.') + 1);
}

/// pooling_mode_… of the file that are true, but for mean and cls; newer files have one pooling_mode.
void take_pooling(ModelFolder& folder, const std::string& file, Pooling& pooling) {
    const json config = folder.json(file);
    if (!config.is_object()) folder.fail(sqlstate::kDataCorrupted, file, "a pooling is no object");
    const auto mode = member<std::string>(folder, file, config, "pooling_mode", "");
    const bool mean =
        mode == "mean" || member(folder, file, config, "pooling_mode_mean_tokens", mode.empty());
    pooling.cls = mode == "cls" || member(folder, file, config, "pooling_mode_cls_token", false);
    for (const auto& [key, value] : config.items())
        if (key.starts_with("pooling_mode_") && value == json(true) && key != "pooling_mode_mean_tokens" &&
            key != "pooling_mode_cls_token")
            refuse(folder, file, key);
    if (!mode.empty() && mode != "mean" && mode != "cls")
        refuse(folder, file, "pooling_mode \"" + mode + "\"");
    if (mean == pooling.cls) refuse(folder, file, mean ? "two poolings at once" : "no pooling");
}

/// A folder inside the model's.
std::string pooling_file(const ModelFolder& folder, const json& module) {
    const auto path = member<std::string>(folder, kModules, module, "path", "");
    if (path.empty() || path.starts_with('/') || path.find("..") != std::string::npos)
        folder.fail(sqlstate::kDataCorrupted, kModules,
                    "the pooling is not in a folder of the language model's");
    return path + "/config.json";
}

Pooling from_modules(ModelFolder& folder, const json& modules) {
    Pooling pooling{.normalize = false};
    bool pooled = false;
    for (const json& module : modules) {
        const std::string type = class_name(folder, module);
        if (type == "Pooling") {
            take_pooling(folder, pooling_file(folder, module), pooling);
            pooled = true;
        } else if (type == "Normalize") {
            pooling.normalize = true;
        } else if (type != "Transformer") {
            refuse(folder, kModules, "a module \"" + type + "\"");
        }
    }
    if (!pooled) folder.fail(sqlstate::kDataCorrupted, kModules, "the language model has no pooling");
    return pooling;
}

}  // namespace

BertConfig read_bert_config(ModelFolder& folder) {
    const json config = folder.json(kModelConfig);
    expect(folder, config, "model_type", "bert", "");
    expect(folder, config, "position_embedding_type", "absolute", "absolute");
    for (const char* key : {"is_decoder", "add_cross_attention"})
        if (member(folder, kModelConfig, config, key, false)) refuse(folder, kModelConfig, key);
    BertConfig result{.vocabulary = size(folder, config, "vocab_size", 4'000'000),
                      .hidden = size(folder, config, "hidden_size", 8192),
                      .layers = size(folder, config, "num_hidden_layers", 128),
                      .heads = size(folder, config, "num_attention_heads", 1024),
                      .inner = size(folder, config, "intermediate_size", 65536),
                      .positions = size(folder, config, "max_position_embeddings", 65536),
                      .types = 2,
                      .epsilon = member(folder, kModelConfig, config, "layer_norm_eps", 1e-12f),
                      .activation = activation(folder, config)};
    if (config.contains("type_vocab_size")) result.types = size(folder, config, "type_vocab_size", 1024);
    if (result.hidden % result.heads != 0 || result.positions < 3 || !(result.epsilon >= 0) ||
        !std::isfinite(result.epsilon))
        folder.fail(sqlstate::kDataCorrupted, kModelConfig, "the language model's sizes don't go together");
    return result;
}

Pooling read_pooling(ModelFolder& folder) {
    const json modules = folder.json_if_there(kModules);
    if (modules.is_array()) return from_modules(folder, modules);
    if (!folder.has("1_Pooling/config.json"))
        return {.notice =
                    "the language model says nothing of its pooling (modules.json, 1_Pooling/config.json): "
                    "the mean of its tokens, of unit length, is taken"};
    Pooling pooling{.notice = "the language model has no modules.json: its vectors are made of unit length"};
    take_pooling(folder, "1_Pooling/config.json", pooling);
    return pooling;
}

}  // namespace seqrec::trainer
