#include "export.hpp"

#include <cstring>

#include "core/safetensors.hpp"
#include "stop.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr char kUsers[] = "user.embedding";

Tensor read_tensor(const SafetensorsFile& file, std::string_view name) {
    const auto values = file.get<float>(name, file.tensor(name).shape);
    Tensor result = at::empty(file.tensor(name).shape, at::kFloat);
    std::memcpy(result.data_ptr<float>(), values.data(), values.size_bytes());
    return result;
}

}  // namespace

void write_model(const std::string& path, Snapshot snapshot, const std::vector<float>& popularity,
                 const nlohmann::json& config, const nlohmann::json& metrics) {
    const WriteGuard guard;
    SafetensorsWriter writer;
    writer.set_metadata("format", "seqrec-model/1");
    writer.set_metadata("kind", "transformer");
    writer.set_metadata("config", config.dump());
    writer.set_metadata("metrics", metrics.dump());
    const auto declare = [&](const std::string& name, const Tensor& tensor) {
        writer.declare<float>(name, tensor.sizes().vec());
    };
    const auto copy = [&](const std::string& name, const Tensor& tensor) {
        guard.check();
        const Tensor values = tensor.contiguous();
        std::memcpy(writer.bytes(name).data(), values.data_ptr<float>(), values.nbytes());
    };
    snapshot.model.for_each(declare);
    declare(kUsers, snapshot.users);
    writer.declare<float>("item.popularity", {static_cast<std::int64_t>(popularity.size())});
    writer.create(path);
    snapshot.model.for_each(copy);
    copy(kUsers, snapshot.users);
    std::memcpy(writer.bytes("item.popularity").data(), popularity.data(), popularity.size() * sizeof(float));
    guard.check();
    writer.commit();
}

Snapshot read_model(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const auto config = nlohmann::json::parse(file.meta("config"));
    Snapshot snapshot;
    snapshot.model.blocks.resize(config.at("layers").get<std::size_t>());
    snapshot.model.for_each(
        [&](const std::string& name, Tensor& tensor) { tensor = read_tensor(file, name); });
    snapshot.users = read_tensor(file, kUsers);
    return snapshot;
}

}  // namespace seqrec::trainer
