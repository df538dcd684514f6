// Small generated datasets, and jobs on them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/files/safetensors.hpp"
#include "core/options.hpp"
#include "data/dataset.hpp"
#include "random.hpp"
#include "testing.hpp"

namespace seqrec::trainer::testing {

using Sequences = std::vector<std::vector<std::int32_t>>;

/// Users who walk through the items in order, with jumps: item i is followed by i + 1 two times in three.
/// 用户大多按顺序浏览物品，偶尔跳转。
inline Sequences walks(int users, int items, int longest, std::uint64_t seed = 1) {
    Random random(seed);
    Sequences sequences;
    for (int u = 0; u < users; ++u) {
        auto item = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items)));
        std::vector<std::int32_t> sequence;
        for (auto left = 3 + random.below(static_cast<std::uint64_t>(longest)); left > 0; --left) {
            sequence.push_back(item);
            item = random.below(3) > 0
                       ? (item + 1) % items
                       : static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(items)));
        }
        sequences.push_back(sequence);
    }
    return sequences;
}

/// Ids of a dataset; none: all empty.
/// 数据集的 id；不给则均为空。
struct Names {
    std::vector<std::string> items, users;
};

inline std::size_t total_length(const std::vector<std::string>& ids) {
    std::size_t length = 0;
    for (const std::string& id : ids) length += id.size();
    return length;
}

inline void fill_ids(SafetensorsWriter& writer, const std::string& prefix,
                     const std::vector<std::string>& ids) {
    std::int64_t end = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        std::ranges::copy(ids[i], writer.data<std::uint8_t>(prefix + ".id.bytes").begin() + end);
        writer.data<std::int64_t>(prefix + ".id.offsets")[i + 1] = end +=
            static_cast<std::int64_t>(ids[i].size());
    }
}

/// `job`: the metadata entry; empty for none. The clock shows a new time once in `clock` events.
/// job 为元数据项，空则不写；每 clock 个事件时钟才前进一次。
inline void write_dataset(const std::string& path, const Sequences& sequences, std::int64_t items,
                          const std::string& job = "", const Names& names = {}, std::size_t clock = 1) {
    std::int64_t events = 0;
    for (const auto& sequence : sequences) events += static_cast<std::int64_t>(sequence.size());
    const auto users = static_cast<std::int64_t>(sequences.size());
    SafetensorsWriter writer;
    writer.set_metadata("format", "seqrec-dataset/1");
    if (!job.empty()) writer.set_metadata("job", job);
    writer.declare<std::int64_t>("user.offsets", {users + 1});
    writer.declare<std::int32_t>("event.item", {events});
    writer.declare<double>("event.time", {events});
    writer.declare<std::int64_t>("user.id.offsets", {users + 1});
    writer.declare<std::uint8_t>("user.id.bytes", {static_cast<std::int64_t>(total_length(names.users))});
    writer.declare<std::int64_t>("item.id.offsets", {items + 1});
    writer.declare<std::uint8_t>("item.id.bytes", {static_cast<std::int64_t>(total_length(names.items))});
    writer.create(path);
    fill_ids(writer, "user", names.users);
    fill_ids(writer, "item", names.items);
    std::size_t event = 0;
    for (std::size_t u = 0; u < sequences.size(); ++u) {
        for (const std::int32_t item : sequences[u]) {
            writer.data<double>("event.time")[event] = static_cast<double>(event / clock);
            writer.data<std::int32_t>("event.item")[event++] = item;
        }
        writer.data<std::int64_t>("user.offsets")[u + 1] = static_cast<std::int64_t>(event);
    }
    writer.commit();
}

/// The options of a dataset that keeps repeats, or does not.
/// 保留或不保留重复的数据集选项。
inline DatasetOptions with_repeats(const char* repeats, bool by_time = false) {
    DatasetOptions options;
    options.repeats = repeats;
    if (by_time) options.split = Split::Time;
    return options;
}

/// A dataset in a folder of its own.
/// 位于独立文件夹中的数据集。
struct Shop {
    seqrec::testing::TempFolder folder;
    Dataset data;

    Shop(const Sequences& sequences, std::int64_t items, const DatasetOptions& options = {})
        : data(written(sequences, items), options) {}

  private:
    std::string written(const Sequences& sequences, std::int64_t items) const {
        write_dataset(folder / "dataset", sequences, items);
        return folder / "dataset";
    }
};

/// Every option of the transformer, those given and else the defaults; one thread and one member unless
/// asked.
/// transformer 的全部选项，未给出者取默认值；默认单线程、单成员。
inline nlohmann::json small_options(const nlohmann::json& given) {
    nlohmann::json options = {{"dim", 8},    {"threads", 1},    {"members", 1},
                              {"layers", 1}, {"device", "cpu"}, {"precision", "float32"}};
    if (given.is_object()) options.update(given);
    return resolve_options("transformer", options);
}

struct Outcome {
    int status = -1;
    std::vector<nlohmann::json> events;

    nlohmann::json last(const std::string& name) const {
        for (auto event = events.rbegin(); event != events.rend(); ++event)
            if (event->at("event") == name) return *event;
        return nullptr;
    }
};

/// The events of a trainer's output, one JSON object a line.
/// 训练器输出的事件，每行一个 JSON 对象。
inline std::vector<nlohmann::json> read_events(const std::string& output) {
    std::vector<nlohmann::json> events;
    std::size_t begin = 0;
    for (std::size_t end; (end = output.find('\n', begin)) != std::string::npos; begin = end + 1)
        events.push_back(nlohmann::json::parse(output.substr(begin, end - begin)));
    return events;
}

/// Runs a command and reads its output as JSON lines.
inline Outcome run_command(const std::string& command) {
    Outcome outcome;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string output;
    std::array<char, 4096> part;
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
        output.append(part.data(), size);
    outcome.status = ::pclose(pipe);
    outcome.events = read_events(output);
    return outcome;
}

/// Trains on the dataset that is in `folder` already; the model is `folder`/model, and with `keep` there is a
/// checkpoint beside it.
/// 用 folder 中已有的数据集训练；keep 时另存检查点。
inline Outcome run_job(const seqrec::testing::TempFolder& folder, nlohmann::json options, bool keep = true,
                       std::string_view kind = "transformer", const char* program = SEQREC_TRAINER) {
    nlohmann::json job = {{"dataset", folder / "dataset"},
                          {"model", folder / "model"},
                          {"kind", kind},
                          {"options", std::move(options)}};
    if (keep) job["checkpoint"] = folder / "checkpoint";
    seqrec::testing::write_file(folder / "job.json", job.dump());
    return run_command(std::string(program) + " train " + (folder / "job.json"));
}

/// Trains on sequences with the program itself; the model is `folder`/model.
inline Outcome train(const seqrec::testing::TempFolder& folder, const Sequences& sequences,
                     std::int64_t items, nlohmann::json options) {
    write_dataset(folder / "dataset", sequences, items);
    return run_job(folder, std::move(options), false);
}

}  // namespace seqrec::trainer::testing
