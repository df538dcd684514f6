// The Problem that a call throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "http/problem.hpp"

namespace seqrec::sidecar {

/// What `call` throws; a failure when it throws none.
/// call 抛出的 Problem；未抛出则测试失败。
template <typename Call>
Problem problem_of(Call call) {
    try {
        call();
    } catch (const Problem& problem) {
        return problem;
    }
    ADD_FAILURE() << "no problem";
    return {0, "", ""};
}

/// The field that a request is refused for; "" when it is for another reason.
/// 被拒绝的字段；其他原因为 ""。
template <typename Call>
std::string refused_field(Call call) {
    const Problem problem = problem_of(call);
    EXPECT_EQ(problem.status, 400U) << problem.detail;
    return problem.field;
}

}  // namespace seqrec::sidecar
