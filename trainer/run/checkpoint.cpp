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

[[noreturn]] void refuse_checkpoint(const std::string& why) {
    throw Error(sqlstate::kDataCorrupted, "the checkpoint is not valid: " + why,
                "Start the training again with seqrec_train.");
}

SafetensorsFile open_file(const std::string& path) try {
    SafetensorsFile file = SafetensorsFile::open(path);
    for (const char* key : {"format", "state", "settings"}) (void)file.meta(key);
    return file;
} catch (const Error& error) {
    if (error.sqlstate != sqlstate::kDataCorrupted) throw;
    refuse_checkpoint(error.what());
}

SafetensorsFile open(const std::string& path) {
    SafetensorsFile file = open_file(path);
    if (file.meta("format") != kFormat) refuse_checkpoint("its format is " + file.meta("format"));
    return file;
}

/// Only of a job's own: what is wrong with another's is no fault of this one.
void verify(const SafetensorsFile& file) try {
    if (file.contains("checksum")) file.verify();
} catch (const Error& error) {
    refuse_checkpoint(error.what());
}

nlohmann::json object_of(const SafetensorsFile& file, const char* key) {
    nlohmann::json value = nlohmann::json::parse(file.meta(key), nullptr, false);
    if (!value.is_object()) refuse_checkpoint("its " + std::string(key) + " is no JSON object");
    return value;
}

}  // namespace

void refuse_state(const nlohmann::json& state, const std::string& name) {
    refuse_checkpoint(state.contains(name) ? "its " + name + " is " + state.at(name).dump().substr(0, 100)
                                           : "it does not say " + name);
}

void Checkpoint::Stored::read_into(const std::string& name, const at::Tensor& to) const {
    if (!file.contains(name)) refuse_checkpoint("it has no tensor " + name);
    const at::Tensor found = read_tensor(file, name);
    if (found.scalar_type() != to.scalar_type() || found.sizes() != to.sizes())
        refuse_checkpoint("its tensor " + name + " has another type or shape");
    to.copy_(found);
}

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
    verify(file);
    return object_of(file, "settings");
}

std::optional<Checkpoint::Stored> Checkpoint::read(const nlohmann::json& settings) const {
    SafetensorsFile file = open(path_);
    if (job_of(file) != job_) return std::nullopt;  // before its settings, which are then others
    verify(file);
    if (file.meta("settings") != settings.dump())
        throw Error(sqlstate::kInvalidParameter, "the checkpoint belongs to a training with other settings",
                    "Resume with the same options, data and number of threads, or start again.");
    auto state = object_of(file, "state");
    return Stored{std::move(file), std::move(state)};
}

}  // namespace seqrec::trainer
