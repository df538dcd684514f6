#include "export.hpp"

#include "tensor_file.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr char kUsers[] = "user.embedding";

template <typename T>
Tensor tensor_of(const std::vector<T>& values, at::ScalarType type) {
    Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, type);
    std::copy(values.begin(), values.end(), result.data_ptr<T>());
    return result;
}

}  // namespace

void write_model(const std::string& path, Snapshot snapshot, const Dataset& data,
                 const nlohmann::json& config, const nlohmann::json& metrics) {
    std::vector<NamedTensor> tensors;
    snapshot.model.for_each([&](const std::string& name, Tensor& tensor) {
        tensors.push_back({name, tensor});
    });
    tensors.push_back({kUsers, snapshot.users});
    tensors.push_back({"user.seen_until", tensor_of(data.seen_until(), at::kDouble)});
    tensors.push_back({"item.popularity", tensor_of(data.counts(), at::kFloat)});
    write_tensors(path,
                  {{"format", "seqrec-model/1"},
                   {"kind", "transformer"},
                   {"config", config.dump()},
                   {"metrics", metrics.dump()}},
                  tensors);
}

Snapshot read_model(const SafetensorsFile& file) {
    const auto config = nlohmann::json::parse(file.meta("config"));
    Snapshot snapshot;
    snapshot.model.blocks.resize(config.at("layers").get<std::size_t>());
    snapshot.model.for_each(
        [&](const std::string& name, Tensor& tensor) { tensor = read_tensor(file, name); });
    snapshot.users = read_tensor(file, kUsers);
    return snapshot;
}

}  // namespace seqrec::trainer
