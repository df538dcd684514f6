// Tokens made of rows of several tables.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/step_kernels.hpp"
#include "torch.hpp"

namespace seqrec::trainer {

/// What each of several tokens is the sum of. 各词元由哪些项相加而成。
struct Terms {
    /// `x` times a row of a table. 某张表的一行乘以 x。
    struct Term {
        std::int32_t table, row;
        float x;
    };
    std::vector<Term> terms;
    std::vector<std::int64_t> offsets{0};  ///< token t is the sum of terms [offsets[t], offsets[t + 1])

    std::int64_t tokens() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
    void add(std::int32_t table, std::int32_t row, float x) { terms.push_back({table, row, x}); }
    /// The terms since the last one are a token. 自上次以来的各项构成一个词元。
    void end_token() { offsets.push_back(static_cast<std::int64_t>(terms.size())); }
    /// Takes the last token back. 撤回最后一个词元。
    void drop_token() {
        offsets.pop_back();
        terms.resize(static_cast<std::size_t>(offsets.back()));
    }
};

/// Tables that gather() takes at most. gather() 至多接受的表数。
inline constexpr std::size_t kMostTables = 5;

/// mask(sum over each token's terms of x * tables[table][row]), [tokens, dim]; every table is [rows, dim], and there are 1 to kMostTables.
/// 对每个词元求各项之和并施加 dropout；表为 1 至 kMostTables 个。
at::Tensor gather(const std::vector<at::Tensor>& tables, std::shared_ptr<const Terms> terms,
                  kernels::Mask mask);

}  // namespace seqrec::trainer
