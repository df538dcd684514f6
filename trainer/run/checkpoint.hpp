// A training's state on disk, so that it can go on after it was interrupted.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "files/tensor_file.hpp"

namespace seqrec::trainer {

/// Error XX001 that names what a checkpoint does not say, or says otherwise than it was written.
/// 抛出 Error XX001，指明检查点中缺失或与写出时不符之处。
[[noreturn]] void refuse_state(const nlohmann::json& state, const std::string& name);

/// What a checkpoint's JSON says under a name; that error where it says nothing, or what is no T.
/// 检查点 JSON 中某名称的值；缺失或类型不符时抛出上述错误。
template <typename T>
T state_of(const nlohmann::json& state, const std::string& name) {
    try {
        const nlohmann::json& found = state.at(name);
        T value = found.get<T>();
        if (nlohmann::json(value) == found) return value;  // else a fraction, say, was made to fit
    } catch (const nlohmann::json::exception&) {           // is told below, in words of ours
    }
    refuse_state(state, name);
}

/// Where a training keeps its state, and how often: writing takes at most a fiftieth of the time.
/// 训练状态的存放位置与频率：写入至多占用五十分之一的时间。
class Checkpoint {
  public:
    /// An empty path keeps nothing; `job` tells whose state it is.
    /// path 为空则不保存；job 表明状态属于哪个任务。
    Checkpoint(std::string path, std::string job) : path_(std::move(path)), job_(std::move(job)) {}

    bool is_wanted() const { return !path_.empty(); }
    bool exists() const;
    bool is_due() const;
    /// `state`: numbers; `settings` tells trainings apart. Errors: 53100 (disk full), 58030.
    void write(const nlohmann::json& state, const nlohmann::json& settings,
               const std::vector<NamedTensor>& tensors);

    struct Stored {
        SafetensorsFile file;
        nlohmann::json state;

        /// Copies a tensor of the file into one of the same type and shape; Error XX001 when there is none.
        /// 将文件中的张量复制到类型与形状相同的张量；没有则抛出 Error XX001。
        void read_into(const std::string& name, const at::Tensor& to) const;
    };
    /// What is stored, or nothing when it is another job's. Error 22023 when it belongs to a training with
    /// other settings, XX001 when it is damaged: every byte is compared with the checksum at the file's end. What an
    /// earlier build wrote has none and is read as it is.
    /// 已存的状态；属于其他任务则为空。若属于其他设置的训练则抛出 Error 22023，损坏则 XX001：
    /// 每个字节都与文件末尾的校验和比对。较早构建写出的检查点没有校验和，照原样读取。
    std::optional<Stored> read(const nlohmann::json& settings) const;
    /// The settings of what is stored; nothing where nothing is, or another job's. Error XX001 when it is damaged.
    /// 已存状态的设置；没有或属于其他任务则为空，损坏时抛出 Error XX001。
    std::optional<nlohmann::json> settings() const;

  private:
    using Clock = std::chrono::steady_clock;
    std::string path_, job_;
    Clock::time_point written_ = Clock::now();
    Clock::duration cost_{};
};

}  // namespace seqrec::trainer
