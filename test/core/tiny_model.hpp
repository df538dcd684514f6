// A whole model of a few rows, for tests of what reads snapshots.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/files/snapshot_writer.hpp"
#include "core/kinds/score_form.hpp"

namespace seqrec::testing {

/// A transformer of random weights that always are the same, named and shaped as core/kinds/transformer.cpp
/// reads them. Change any member, then write() it.
/// 随机但固定权重的小型 transformer；可先修改成员，再用 write() 写出。
struct TinyModel {
    static constexpr std::int32_t kUntrainedUser = 3;  ///< the user whose vector is zero
    static constexpr int kLayers = 2, kHeads = 2, kMaxLen = 6;

    int dim = 8;
    std::string kind = "transformer";
    std::string score = ScoreForm().to_json();
    std::string version = "00000000-0000-4000-8000-000000000001";
    std::string config = R"({"members": 1, "dim": 8, "layers": 2, "heads": 2, "max_len": 6})";
    std::vector<std::string> item_ids, user_ids;
    std::vector<std::vector<float>> item_vectors, user_vectors;
    std::vector<float> popularities;
    std::vector<std::vector<std::int32_t>> seen;  ///< user 0 has seen nothing, user u the items u, u + 3, ...

    TinyModel() {
        for (int i = 0; i < 20; ++i) {
            item_ids.push_back("item-" + std::to_string(i));
            item_vectors.push_back(random_values(static_cast<std::size_t>(dim)));
            popularities.push_back(static_cast<float>(i * 7 % 20));  // none has the popularity of another
        }
        for (int u = 0; u < 5; ++u) {
            user_ids.push_back("user-" + std::to_string(u));
            user_vectors.push_back(random_values(static_cast<std::size_t>(dim)));
            seen.emplace_back();
            for (int item = u; item < 4 * u; item += 3) seen.back().push_back(item);
        }
        user_vectors[kUntrainedUser].assign(static_cast<std::size_t>(dim), 0);
        fill_weights();
    }

    /// After items were added: what each is as a click.
    /// 添加物品之后：各物品作为点击时的权重。
    void lengthen_clicks() { add("click.length", {items(), 1}); }

    std::int32_t items() const { return static_cast<std::int32_t>(item_ids.size()); }
    std::int32_t users() const { return static_cast<std::int32_t>(user_ids.size()); }
    const std::string& item_id(std::int32_t i) const { return item_ids.at(static_cast<std::size_t>(i)); }
    const std::string& user_id(std::int32_t u) const { return user_ids.at(static_cast<std::size_t>(u)); }
    const std::vector<float>& item_embedding(std::int32_t i) const {
        return item_vectors.at(static_cast<std::size_t>(i));
    }
    float popularity(std::int32_t i) const { return popularities.at(static_cast<std::size_t>(i)); }
    const std::map<std::string, std::vector<float>>& weights() const { return weights_; }

    void write(const std::string& path) const {
        SnapshotWriter writer(
            {items(), users(), dim, dim, total_length(item_ids), total_length(user_ids), total_length(seen)},
            {kind, score, config, version});
        for (const auto& [name, shape] : shapes_) writer.weight(name, DType::F32, shape);
        writer.create(path);
        for (const auto& [name, values] : weights_)
            writer.weight_part(name, 0, std::as_bytes(std::span(values)));
        for (std::int32_t i = 0; i < items(); ++i)
            writer.item(i, item_id(i), item_embedding(i), popularity(i), -1);
        for (std::int32_t u = 0; u < users(); ++u)
            writer.user(u, user_id(u), user_vectors[static_cast<std::size_t>(u)], 5,
                        seen[static_cast<std::size_t>(u)]);
        writer.commit();
    }

  private:
    std::vector<float> random_values(std::size_t count) {
        std::vector<float> values(count);
        for (float& value : values) value = static_cast<float>(engine_() >> 8) * 0x1p-23f - 1;  // in [-1, 1)
        return values;
    }

    void add(const std::string& name, Shape shape) {
        std::size_t count = 1;
        for (const std::int64_t length : shape) count *= static_cast<std::size_t>(length);
        weights_[name] = random_values(count);
        shapes_[name] = std::move(shape);
    }

    void fill_weights() {
        add("click.length", {items(), 1});
        add("member.0.position.embedding", {kMaxLen, dim});
        for (int layer = 0; layer < kLayers; ++layer) {
            const std::string at = "member.0.block." + std::to_string(layer) + ".";
            for (const char* name :
                 {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "out.bias", "narrow.bias"})
                add(at + name, {dim});
            add(at + "qkv.weight", {3 * dim, dim});
            add(at + "qkv.bias", {3 * dim});
            add(at + "relative", {kHeads, kMaxLen});
            add(at + "out.weight", {dim, dim});
            add(at + "wide.weight", {4 * dim, dim});
            add(at + "wide.bias", {4 * dim});
            add(at + "narrow.weight", {dim, 4 * dim});
        }
        add("member.0.norm.weight", {dim});
        add("member.0.norm.bias", {dim});
    }

    template <typename List>
    static std::int64_t total_length(const std::vector<List>& lists) {
        std::int64_t total = 0;
        for (const List& list : lists) total += static_cast<std::int64_t>(list.size());
        return total;
    }

    std::mt19937 engine_{1};
    std::map<std::string, std::vector<float>> weights_;
    std::map<std::string, Shape> shapes_;
};

}  // namespace seqrec::testing
