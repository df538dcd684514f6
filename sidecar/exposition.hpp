// Prometheus' text format.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "histogram.hpp"

namespace seqrec::sidecar {

/// Writes families of metrics one after the other; label values may be any text.
/// 依次写出各组指标；标签值可以是任意文本。
class Exposition {
  public:
    using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    /// Begins a family; `type` is counter, gauge or histogram.
    /// 开始一组指标；type 为 counter、gauge 或 histogram。
    void family(std::string_view name, std::string_view type, std::string_view help);
    /// A sample of the family that was begun last.
    /// 最近一组指标的一个样本。
    void sample(double value, Labels labels = {});
    void sample(const Histogram& histogram, Labels labels = {});

    /// A family of one sample.
    /// 只有一个样本的一组指标。
    void single(std::string_view name, std::string_view type, std::string_view help, double value);

    const std::string& text() const { return text_; }

  private:
    void line(std::string_view suffix, Labels labels, std::string_view bound, double value);

    std::string family_;
    std::string text_;
};

}  // namespace seqrec::sidecar
