// A catalogue of items as float32 rows and as codes.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "core/scan/codes.hpp"
#include "core/scan/top_k.hpp"

namespace seqrec::testing {

/// Items around a few centres, as trained ones lie, in float32 and in codes; `slot_item` says which item lies
/// in which slot.
/// 围绕若干中心的物品（与训练结果相似），以 float32 与编码两种形式存放；slot_item 为每个槽中的物品。
struct Catalogue {
    std::size_t items, dim;
    std::vector<float> matrix, unit;
    std::vector<std::uint8_t> values;
    std::vector<float> scale;
    std::vector<std::int32_t> slot_item;
    float error = 0;
    std::mt19937 engine;

    Catalogue(std::size_t items, std::size_t dim, unsigned seed = 1, float spread = 0.5f)
        : items(items), dim(dim), matrix(items * dim), unit(items), engine(seed) {
        std::normal_distribution<float> normal;
        std::vector<float> centres(7 * dim);
        for (float& x : centres) x = normal(engine);
        for (std::size_t i = 0; i < items; ++i)
            for (std::size_t j = 0; j < dim; ++j)
                matrix[i * dim + j] = centres[i % 7 * dim + j] + spread * normal(engine);
        encode();
    }

    void encode() {
        for (std::size_t i = 0; i < items; ++i) {
            double squares = 0;
            for (std::size_t j = 0; j < dim; ++j) squares += std::pow(matrix[i * dim + j], 2);
            unit[i] = squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0;
        }
        if (slot_item.empty()) {
            slot_item.assign((items + kGroupRows - 1) / kGroupRows * kGroupRows, -1);
            std::iota(slot_item.begin(), slot_item.begin() + static_cast<std::ptrdiff_t>(items), 0);
        }
        values.assign(slot_item.size() * code_depth(dim), 0);
        scale.assign(slot_item.size(), 0);
        error = encode_rows(matrix, unit, dim, {values, scale, slot_item, code_depth(dim)}, {});
    }

    /// Makes lengths count: rows a thousandth to once as long as the longest, all of them multiplied by one
    /// number.
    /// 使长度有别：各行为最长者的千分之一至一倍，且统一乘以同一个数。
    void stretch(float longest) {
        std::uniform_real_distribution<float> exponent(-3, 0);
        double most = 0;
        for (std::size_t i = 0; i < items; ++i) {
            const float factor = longest * std::pow(10.0f, exponent(engine));
            double squares = 0;
            for (std::size_t j = 0; j < dim; ++j) squares += std::pow(matrix[i * dim + j] *= factor, 2);
            most = std::max(most, squares);
        }
        unit.assign(items, static_cast<float>(1 / std::sqrt(most)));
        error = encode_rows(matrix, unit, dim, {values, scale, slot_item, code_depth(dim)}, {});
    }

    Codes codes() const { return {values, scale, slot_item, code_depth(dim), error}; }
    Rows rows() const { return {matrix, unit}; }

    std::vector<float> query() {
        std::normal_distribution<float> normal;
        const std::size_t near = engine() % items;
        std::vector<float> query(dim);
        double squares = 0;
        for (std::size_t j = 0; j < dim; ++j) {
            query[j] = matrix[near * dim + j] * unit[near] +
                       0.3f * normal(engine) / std::sqrt(static_cast<float>(dim));
            squares += query[j] * query[j];
        }
        for (float& x : query) x /= static_cast<float>(std::sqrt(squares));
        return query;
    }
};

}  // namespace seqrec::testing
