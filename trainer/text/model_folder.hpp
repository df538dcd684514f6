// The folder of a language model: its files by name, and what to say when one is not as it should be.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.hpp"

namespace seqrec::trainer {

/// A Hugging Face model folder. Nothing is kept of what was read but a hash of it.
/// Hugging Face 模型目录；读过的内容只保留其哈希。
class ModelFolder {
  public:
    /// Error 58030 when there is no such folder.
    /// 目录不存在时抛出 58030。
    explicit ModelFolder(std::string path);

    std::string file(const std::string& name) const { return path_ + "/" + name; }
    bool has(const std::string& name) const;
    /// The bytes of a file; Error 58030 when it can't be read.
    /// 文件的字节；无法读取时抛出 58030。
    std::string bytes(const std::string& name);
    /// A file of JSON, an object or a list. Errors: 58030, XX001 when it is none.
    /// JSON 文件；错误：58030，不是 JSON 时为 XX001。
    nlohmann::json json(const std::string& name);
    /// As json(), null when there is no such file.
    /// 同 json()，文件不存在时为 null。
    nlohmann::json json_if_there(const std::string& name);
    /// Counts bytes that were read elsewhere into the hash.
    void count(const void* data, std::size_t size);
    /// 32 hexadecimal digits of all that was read so far, in order.
    /// 至今所读内容的 32 位十六进制哈希。
    std::string hash() const { return hash_; }

    /// Error with the file named in its hint.
    /// 在提示中指明文件的错误。
    [[noreturn]] void fail(const char* sqlstate, const std::string& name, const std::string& message) const;

  private:
    std::string path_, hash_;
};

/// A member of a file's JSON that has to be of a type, or `missing` when it is absent or null; XX001 otherwise.
/// JSON 成员；不存在或为 null 时取 missing，类型不符则抛出 XX001。
template <typename T>
T member(const ModelFolder& folder, const std::string& file, const nlohmann::json& object, const char* key,
         T missing) {
    if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return missing;
    try {
        return object.at(key).get<T>();
    } catch (const nlohmann::json::exception&) {
        folder.fail(sqlstate::kDataCorrupted, file, "\"" + std::string(key) + "\" is not of its type");
    }
}

}  // namespace seqrec::trainer
