// Small language models of random weights in folders of their own, whole or broken.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "files/tensor_file.hpp"
#include "testing.hpp"

namespace seqrec::trainer::testing {

using seqrec::testing::TempFolder;
using seqrec::testing::write_file;

/// The vocabulary of google-research/bert's tokenization_test.py (Apache 2.0).
/// google-research/bert 测试所用的词表。
inline const std::vector<std::string> kElevenWords = {"[UNK]", "[CLS]", "[SEP]", "want",  "##want", "##ed",
                                                      "wa",    "un",    "runn",  "##ing", ","};

inline std::string lines(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text.append(word).append("\n");
    return text;
}

/// A BERT of 2 layers x 8, 2 heads, 12 wide, 11 words, 16 positions.
/// 极小的 BERT。
struct ModelFolderFixture {
    TempFolder folder;
    nlohmann::json config = {{"model_type", "bert"},    {"hidden_act", "gelu"},
                             {"vocab_size", 11},        {"hidden_size", 8},
                             {"num_hidden_layers", 2},  {"num_attention_heads", 2},
                             {"intermediate_size", 12}, {"max_position_embeddings", 16},
                             {"type_vocab_size", 2},    {"layer_norm_eps", 1e-12}};
    std::vector<NamedTensor> tensors = random_tensors("");

    static std::vector<NamedTensor> random_tensors(const std::string& prefix) {
        at::manual_seed(1);
        std::vector<NamedTensor> result;
        const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
            const bool scale = name.find("LayerNorm.weight") != std::string::npos;
            result.push_back({prefix + name, at::randn(shape) * 0.3 + (scale ? 1 : 0)});
        };
        const auto add_both = [&](const std::string& name, std::vector<std::int64_t> shape) {
            add(name + ".weight", shape);
            add(name + ".bias", {shape[0]});
        };
        add("embeddings.word_embeddings.weight", {11, 8});
        add("embeddings.position_embeddings.weight", {16, 8});
        add("embeddings.token_type_embeddings.weight", {2, 8});
        add_both("embeddings.LayerNorm", {8});
        for (const char* layer : {"encoder.layer.0.", "encoder.layer.1."}) {
            for (const char* part : {"self.query", "self.key", "self.value", "output.dense"})
                add_both(std::string(layer) + "attention." + part, {8, 8});
            add_both(std::string(layer) + "attention.output.LayerNorm", {8});
            add_both(std::string(layer) + "intermediate.dense", {12, 8});
            add_both(std::string(layer) + "output.dense", {8, 12});
            add_both(std::string(layer) + "output.LayerNorm", {8});
        }
        return result;
    }

    /// Writes whatever the members say now; returns the folder.
    std::string write() const {
        write_file(folder / "config.json", config.dump());
        write_file(folder / "vocab.txt", lines(kElevenWords));
        write_tensors(folder / "model.safetensors", {{"format", "pt"}}, tensors);
        return folder / ".";
    }
    void write_json(const std::string& name, const nlohmann::json& content) const {
        std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
        write_file(folder / name, content.dump());
    }
};

}  // namespace seqrec::trainer::testing
