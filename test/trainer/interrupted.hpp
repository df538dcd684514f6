// Trainings that are killed once their first checkpoint is there, and the bytes of what they give in the end.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>

#include "core/files/safetensors.hpp"

namespace seqrec::trainer::testing {

/// Waits, five minutes at most, until a condition on files of a folder holds, asked anew whenever one of them changes.
/// 等待某目录中文件的条件成立，至多五分钟；文件一有变化即重新检查。
template <typename Condition>
bool comes_true(const std::filesystem::path& folder, const Condition& holds) {
    const int watch = ::inotify_init1(IN_CLOEXEC);
    ::inotify_add_watch(watch, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_MODIFY);
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    bool found = false;
    while (!(found = holds()) && std::chrono::steady_clock::now() < until) {
        pollfd waiting{watch, POLLIN, 0};
        char events[4096];
        if (::poll(&waiting, 1, 1000) > 0 && ::read(watch, events, sizeof events) < 0 && errno != EINTR)
            break;
    }
    ::close(watch);
    return found;
}

inline bool wait_for_file(const std::filesystem::path& file) {
    return comes_true(file.parent_path(), [&] { return std::filesystem::exists(file); });
}

/// Runs the job of a file and kills it once its checkpoint is there.
/// 运行任务文件，检查点出现后立即终止。
inline bool kill_at_checkpoint(const std::string& job, const std::string& checkpoint) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (!std::freopen("/dev/null", "w", stdout)) ::_exit(1);
        ::execl(SEQREC_TRAINER, SEQREC_TRAINER, "train", job.c_str(), nullptr);
        ::_exit(127);
    }
    const bool there = wait_for_file(checkpoint);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return there;
}

/// The bytes of all tensors of a model file, but the checksum: what is over them tells the time that was taken.
/// 模型文件全部张量的字节，校验和除外：它涵盖的元数据记有耗时。
inline std::string bytes_of_model(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    std::string all;
    for (const auto& [name, tensor] : file.tensors())
        if (name != "checksum")
            all.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    return all;
}

}  // namespace seqrec::trainer::testing
