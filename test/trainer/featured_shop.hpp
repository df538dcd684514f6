// Small datasets with features, labels and weights, and ways to damage them.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "files/tensor_file.hpp"
#include "shop.hpp"

namespace seqrec::trainer::testing {

inline constexpr double kMissing = NAN;

/// A text that ends with a number.
/// 以数字结尾的文本。
inline std::string numbered(std::string text, std::int64_t number) { return text += std::to_string(number); }

/// A column of a dataset: numbers (or times) or lists of values, one for each row.
/// 数据集的一列：每行一个数值（或时间）或一组取值。
struct TestColumn {
    std::string name, type;
    std::vector<double> numbers{};
    std::vector<std::vector<std::string>> values{};
};

template <typename T>
at::Tensor tensor_of(const std::vector<T>& values, at::ScalarType type) {
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
    if (!values.empty()) std::memcpy(tensor.data_ptr(), values.data(), tensor.nbytes());
    return tensor;
}

/// What a dataset file holds; change it, then write() it. Times are the numbers of the events unless given.
/// 数据集文件的内容；修改后用 write() 写出。未给出时间时以事件序号为时间。
struct FeaturedData {
    Sequences sequences;
    std::int64_t items;
    std::vector<TestColumn> item{}, user{}, event{};
    std::vector<float> labels{}, weights{};
    std::vector<double> times{};
    std::map<std::string, at::Tensor> damage{};  ///< tensors that replace those of their name
    std::vector<std::string> left_out{};         ///< tensors that are not written
    std::string metadata{};                      ///< `features`, instead of what is right

    void write(const std::string& path) const {
        std::map<std::string, at::Tensor> all = tensors();
        for (const auto& [name, tensor] : damage) all[name] = tensor;
        for (const std::string& name : left_out) all.erase(name);
        std::vector<NamedTensor> named;
        for (const auto& [name, tensor] : all) named.push_back({name, tensor});
        write_tensors(
            path,
            {{"format", "seqrec-dataset/1"}, {"features", metadata.empty() ? described().dump() : metadata}},
            named);
    }

  private:
    static nlohmann::json names_of(const std::vector<TestColumn>& columns) {
        nlohmann::json names = nlohmann::json::array();
        for (const TestColumn& column : columns)
            names.push_back({{"name", column.name}, {"type", column.type}});
        return names;
    }
    nlohmann::json described() const {
        return {{"item", names_of(item)}, {"user", names_of(user)}, {"event", names_of(event)}};
    }

    static void add_texts(const std::vector<std::string>& texts, const std::string& at,
                          std::map<std::string, at::Tensor>& to) {
        std::vector<std::int64_t> offsets = {0};
        std::vector<char> bytes;
        for (const std::string& text : texts) {
            bytes.insert(bytes.end(), text.begin(), text.end());
            offsets.push_back(static_cast<std::int64_t>(bytes.size()));
        }
        to[at + ".offsets"] = tensor_of(offsets, at::kLong);
        to[at + ".bytes"] = tensor_of(bytes, at::kByte);
    }

    static void add_values(const TestColumn& column, const std::string& at,
                           std::map<std::string, at::Tensor>& to) {
        std::map<std::string, std::int32_t> codes;
        std::vector<std::string> texts;
        std::vector<std::int32_t> all;
        std::vector<std::int64_t> offsets = {0};
        for (const auto& row : column.values) {
            for (const std::string& value : row) {
                const auto [code, fresh] = codes.emplace(value, static_cast<std::int32_t>(texts.size()));
                if (fresh) texts.push_back(value);
                all.push_back(code->second);
            }
            offsets.push_back(static_cast<std::int64_t>(all.size()));
        }
        to[at + ".offsets"] = tensor_of(offsets, at::kLong);
        to[at + ".codes"] = tensor_of(all, at::kInt);
        add_texts(texts, at + ".value", to);
    }

    static void add_columns(const std::vector<TestColumn>& columns, const std::string& side,
                            std::map<std::string, at::Tensor>& to) {
        for (std::size_t c = 0; c < columns.size(); ++c) {
            const std::string at = side + ".feature." + std::to_string(c);
            if (columns[c].type == "category")
                add_values(columns[c], at, to);
            else
                to[at + ".values"] = tensor_of(columns[c].numbers, at::kDouble);
        }
    }

    std::map<std::string, at::Tensor> tensors() const {
        std::map<std::string, at::Tensor> all;
        std::vector<std::int64_t> offsets = {0};
        std::vector<std::int32_t> events;
        for (const auto& sequence : sequences) {
            events.insert(events.end(), sequence.begin(), sequence.end());
            offsets.push_back(static_cast<std::int64_t>(events.size()));
        }
        all["user.offsets"] = tensor_of(offsets, at::kLong);
        all["event.item"] = tensor_of(events, at::kInt);
        std::vector<double> clock = times;
        while (clock.size() < events.size()) clock.push_back(static_cast<double>(clock.size()));
        all["event.time"] = tensor_of(clock, at::kDouble);
        std::vector<std::string> names;
        for (std::int64_t i = 0; i < items; ++i) names.push_back(numbered("item-", i));
        add_texts(names, "item.id", all);
        names.clear();
        for (std::size_t u = 0; u < sequences.size(); ++u)
            names.push_back(numbered("user-", static_cast<std::int64_t>(u)));
        add_texts(names, "user.id", all);
        add_columns(item, "item", all);
        add_columns(user, "user", all);
        add_columns(event, "event", all);
        if (!labels.empty()) all["event.label"] = tensor_of(labels, at::kFloat);
        if (!weights.empty()) all["event.weight"] = tensor_of(weights, at::kFloat);
        return all;
    }
};

/// Such a dataset, read.
/// 已读入的此类数据集。
struct FeaturedShop {
    seqrec::testing::TempFolder folder;
    Dataset data;

    explicit FeaturedShop(const FeaturedData& content, const DatasetOptions& options = with_repeats("keep"))
        : data(written(content), options) {}

  private:
    std::string written(const FeaturedData& content) const {
        content.write(folder / "dataset");
        return folder / "dataset";
    }
};

}  // namespace seqrec::trainer::testing
