#include "text/model_folder.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace seqrec::trainer {

ModelFolder::ModelFolder(std::string path) : path_(std::move(path)) {
    std::error_code failed;
    if (!std::filesystem::is_directory(path_, failed))
        throw Error(
            sqlstate::kIo, "there is no folder of a language model at \"" + path_ + "\"",
            "The setting seqrec.text_model names a folder with config.json, vocab.txt or tokenizer.json, and "
            "model.safetensors, which the server can read.");
}

bool ModelFolder::has(const std::string& name) const {
    std::error_code failed;
    return std::filesystem::exists(file(name), failed);
}

std::string ModelFolder::bytes(const std::string& name) {
    std::ifstream stream(file(name), std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    if (!stream) fail(sqlstate::kIo, name, "a file of the language model can't be read");
    std::string result = std::move(text).str();
    count(result.data(), result.size());
    return result;
}

nlohmann::json ModelFolder::json(const std::string& name) {
    nlohmann::json result = nlohmann::json::parse(bytes(name), nullptr, false);
    if (!result.is_object() && !result.is_array())
        fail(sqlstate::kDataCorrupted, name, "a file of the language model is not JSON, or cut");
    return result;
}

nlohmann::json ModelFolder::json_if_there(const std::string& name) {
    return has(name) ? json(name) : nlohmann::json();
}

void ModelFolder::count(const void* data, std::size_t size) {
    XXH3_state_t* state = XXH3_createState();
    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, hash_.data(), hash_.size());
    XXH3_128bits_update(state, data, size);
    const XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    char digits[33];
    std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                  static_cast<unsigned long long>(hash.low64));
    hash_ = digits;
}

void ModelFolder::fail(const char* sqlstate, const std::string& name, const std::string& message) const {
    throw Error(sqlstate, message, "The file is \"" + file(name) + "\".");
}

}  // namespace seqrec::trainer
