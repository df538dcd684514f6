// Names and values out of a request's target: percent-decoding, with bounds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace seqrec::sidecar {

/// Decoded names and values in the order in which they came.
/// 已解码的名称与值，保持到达顺序。
class Parameters {
  public:
    void add(std::string name, std::string value) { pairs_.emplace_back(std::move(name), std::move(value)); }

    /// The first value of a name, or none.
    /// 某名称的首个值，没有则为空。
    const std::string* find(std::string_view name) const;
    /// All values of a name.
    /// 某名称的全部值。
    std::vector<std::string> all(std::string_view name) const;

    auto begin() const { return pairs_.begin(); }
    auto end() const { return pairs_.end(); }
    std::size_t size() const { return pairs_.size(); }

  private:
    std::vector<std::pair<std::string, std::string>> pairs_;
};

inline constexpr std::size_t kMaxParameters = 1000;

/// Resolves %XX; nothing unless the result is UTF-8 without zero bytes and every % has its two digits.
/// 还原 %XX；若结果不是不含零字节的 UTF-8，或 % 后缺少两位十六进制数字，则返回空。
std::optional<std::string> percent_decoded(std::string_view text);

/// The parameters of a query part (without its '?'); '+' is a space there. Throws Problem 400 when it is not
/// well encoded or has more than kMaxParameters.
/// 查询部分（不含 '?'）的参数，其中 '+' 表示空格。编码有误或参数过多时抛出 Problem 400。
Parameters parse_query(std::string_view query);

}  // namespace seqrec::sidecar
