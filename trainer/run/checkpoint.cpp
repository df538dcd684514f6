#include "run/checkpoint.hpp"

#include <unistd.h>

#include "core/error.hpp"

namespace seqrec::trainer {
namespace {

constexpr char kFormat[] = "seqrec-checkpoint/1";
constexpr int kShare = 50;

std::string job_of(const SafetensorsFile& file) {
    const auto found = file.metadata().find("job");
    return found == file.metadata().end() ? "" : found->second;
}

SafetensorsFile open(const std::string& path) {
    SafetensorsFile file = SafetensorsFile::open(path);
    if (file.meta("format") != kFormat)
        throw Error(sqlstate::kDataCorrupted,
                    "the checkpoint is not valid: its format is " + file.meta("format"),
                    "Give the job up with seqrec_cancel and start again with seqrec_train.");
    return file;
}

}  // namespace

bool Checkpoint::exists() const { return !path_.empty() && ::access(path_.c_str(), F_OK) == 0; }

bool Checkpoint::is_due() const { return !path_.empty() && Clock::now() - written_ >= kShare * cost_; }

void Checkpoint::write(const nlohmann::json& state, const nlohmann::json& settings,
                       const std::vector<NamedTensor>& tensors) {
    const Clock::time_point begin = Clock::now();
    std::map<std::string, std::string> metadata = {
        {"format", kFormat}, {"state", state.dump()}, {"settings", settings.dump()}};
    if (!job_.empty()) metadata["job"] = job_;
    write_tensors(path_, metadata, tensors);
    written_ = Clock::now();
    cost_ = written_ - begin;
}

std::optional<nlohmann::json> Checkpoint::settings() const {
    if (!exists()) return std::nullopt;
    const SafetensorsFile file = open(path_);
    if (job_of(file) != job_) return std::nullopt;
    return nlohmann::json::parse(file.meta("settings"));
}

std::optional<Checkpoint::Stored> Checkpoint::read(const nlohmann::json& settings) const {
    SafetensorsFile file = open(path_);
    if (job_of(file) != job_) return std::nullopt;  // before its settings, which are then others
    if (file.meta("settings") != settings.dump())
        throw Error(sqlstate::kInvalidParameter, "the checkpoint belongs to a training with other settings",
                    "Resume with the same options, data and number of threads, or start again.");
    auto state = nlohmann::json::parse(file.meta("state"));
    return Stored{std::move(file), std::move(state)};
}

}  // namespace seqrec::trainer
