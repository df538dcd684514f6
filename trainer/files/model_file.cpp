#include "files/model_file.hpp"

#include "files/tensor_file.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr char kItems[] = "item.embedding", kUsers[] = "user.embedding", kLengths[] = "click.length";

template <typename T>
Tensor tensor_of(const std::vector<T>& values, at::ScalarType type) {
    Tensor result = at::empty({static_cast<std::int64_t>(values.size())}, type);
    std::copy(values.begin(), values.end(), result.data_ptr<T>());
    return result;
}

/// Each member's part of a matrix, side by side.
Tensor side_by_side(const std::vector<Tensor>& slices) {
    return slices.size() == 1 ? slices[0] : at::cat(slices, 1);
}

std::string prefix_of(std::size_t member) { return "member." + std::to_string(member) + "."; }

/// The encoder's weights under the names of member m; the item matrix belongs to all.
template <typename Visit>
void for_each_own(Transformer& model, std::size_t m, const Visit& visit) {
    model.for_each([&](const std::string& name, Tensor& tensor) {
        if (name != kItems) visit(prefix_of(m) + name, tensor);
    });
}

}  // namespace

void write_model(const std::string& path, Members members, const Dataset& data, const ListIndex* index,
                 const nlohmann::json& config, const nlohmann::json& metrics) {
    std::vector<NamedTensor> tensors;
    std::vector<Tensor> users, lengths;
    for (std::size_t m = 0; m < members.size(); ++m) {
        for_each_own(members[m].model, m, [&](const std::string& name, Tensor& tensor) {
            tensors.push_back({name, tensor});
        });
        users.push_back(members[m].users);
        lengths.push_back(members[m].model.item.norm(2, 1, true));
    }
    tensors.push_back({kItems, item_directions(members)});
    tensors.push_back({kLengths, side_by_side(lengths)});
    tensors.push_back({kUsers, side_by_side(users)});
    tensors.push_back({"user.seen_until", tensor_of(data.seen_until(), at::kDouble)});
    tensors.push_back({"item.popularity", tensor_of(data.recent_counts(), at::kFloat)});
    std::vector<std::int32_t> seen = data.seen_items();
    tensors.push_back({"user.seen.offsets", tensor_of(data.offsets(), at::kLong)});
    tensors.push_back({"user.seen.items", at::from_blob(seen.data(), {static_cast<std::int64_t>(seen.size())},
                                                        at::kInt)});  // no copy
    if (index) {
        tensors.push_back({"list.centroid", index->centroids});
        tensors.push_back({"item.list", tensor_of(index->list, at::kInt)});
    }
    std::map<std::string, std::string> metadata = {{"format", "seqrec-model/1"},
                                                   {"kind", "transformer"},
                                                   {"config", config.dump()},
                                                   {"metrics", metrics.dump()}};
    if (!data.job().empty()) metadata["job"] = data.job();
    write_tensors(path, metadata, tensors);
}

Members read_model(const SafetensorsFile& file) {
    const auto config = nlohmann::json::parse(file.meta("config"));
    const auto dim = config.at("dim").get<std::int64_t>();
    const Tensor items = read_tensor(file, kItems), users = read_tensor(file, kUsers);
    const Tensor lengths = read_tensor(file, kLengths);
    Members members(config.at("members").get<std::size_t>());
    for (std::size_t m = 0; m < members.size(); ++m) {
        const auto at = static_cast<std::int64_t>(m);
        members[m].model.blocks.resize(config.at("layers").get<std::size_t>());
        for_each_own(members[m].model, m,
                     [&](const std::string& name, Tensor& tensor) { tensor = read_tensor(file, name); });
        members[m].model.item = (items.narrow(1, at * dim, dim) * lengths.narrow(1, at, 1)).contiguous();
        members[m].users = users.narrow(1, at * dim, dim).contiguous();
    }
    return members;
}

}  // namespace seqrec::trainer
