// Texts of a file: offsets and bytes.
#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "torch.hpp"

namespace seqrec::trainer {

/// Texts one after the other, as two tensors: offsets [n + 1] and UTF-8 bytes.
/// 依次存放的文本，以两个张量表示：偏移 [n + 1] 与 UTF-8 字节。
class Texts {
  public:
    void add(std::string_view text) {
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        offsets_.push_back(static_cast<std::int64_t>(bytes_.size()));
    }
    at::Tensor offsets() const { return copy(offsets_, at::kLong); }
    at::Tensor bytes() const { return copy(bytes_, at::kByte); }

  private:
    template <typename T>
    static at::Tensor copy(const std::vector<T>& values, at::ScalarType type) {
        at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
        if (!values.empty()) std::memcpy(tensor.data_ptr(), values.data(), tensor.nbytes());
        return tensor;
    }

    std::vector<std::int64_t> offsets_{0};
    std::vector<char> bytes_;
};

}  // namespace seqrec::trainer
