// What several unit tests need: a folder of their own, files from bytes, errors by SQLSTATE.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace seqrec::testing {

/// An empty folder that goes away with its object.
/// 随对象一同消失的空文件夹。
class TempFolder {
  public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "seqrec-test-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("could not create " + name);
        path_ = name;
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() { std::filesystem::remove_all(path_); }

    std::string operator/(std::string_view name) const { return (path_ / name).string(); }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
    }

  private:
    std::filesystem::path path_;
};

inline void write_file(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The bytes of a safetensors file with any header, well-formed or not.
/// 由任意文件头构成的 safetensors 字节。
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
    const std::uint64_t size = header.size();
    std::string bytes(sizeof size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    return bytes.append(header).append(data);
}

/// Runs `action` and returns the SQLSTATE of the Error it throws, "" when it throws none.
/// 运行 action，返回其抛出的 Error 的 SQLSTATE；未抛出则为 ""。
template <typename Action>
std::string error_of(Action&& action, std::string* message = nullptr) {
    try {
        action();
    } catch (const Error& error) {
        if (message) *message = std::string(error.what()) + " / " + error.hint;
        return error.sqlstate;
    }
    return "";
}

}  // namespace seqrec::testing
