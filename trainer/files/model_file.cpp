#include "files/model_file.hpp"

#include "files/tensor_file.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

std::map<std::string, std::string> metadata_of(const ModelDescription& description, const Dataset& data) {
    std::map<std::string, std::string> metadata = {{"format", "seqrec-model/2"},
                                                   {"kind", std::string(description.kind.name)},
                                                   {"score", description.kind.form.to_json()},
                                                   {"config", description.config.dump()},
                                                   {"metrics", description.metrics.dump()}};
    if (!data.job().empty()) metadata["job"] = data.job();
    return metadata;
}

std::vector<float> popularity_of(const ModelDescription& description, const Dataset& data) {
    std::vector<float> popularity = data.recent_counts();
    for (std::size_t i = 0; i < description.more_popularity.size(); ++i)
        popularity[i] += description.more_popularity[i];
    return popularity;
}

}  // namespace

void write_model(const std::string& path, const ModelDescription& description, const Weights& weights,
                 const Dataset& data, const ListIndex* index, const std::vector<NamedTensor>& more) {
    std::vector<NamedTensor> tensors = weights.tensors();
    tensors.insert(tensors.end(), more.begin(), more.end());
    tensors.push_back({"item.embedding", weights.item_rows()});
    tensors.push_back({"user.embedding", weights.user_rows()});
    tensors.push_back({"user.seen_until", tensor_of(data.seen_until(), at::kDouble)});
    tensors.push_back({"item.popularity", tensor_of(popularity_of(description, data), at::kFloat)});
    std::vector<std::int32_t> seen = data.seen_items();
    tensors.push_back({"user.seen.offsets", tensor_of(data.offsets(), at::kLong)});
    tensors.push_back({"user.seen.items", at::from_blob(seen.data(), {static_cast<std::int64_t>(seen.size())},
                                                        at::kInt)});  // no copy
    if (index) {
        tensors.push_back({"list.centroid", index->centroids});
        tensors.push_back({"item.list", tensor_of(index->list, at::kInt)});
    }
    write_tensors(path, metadata_of(description, data), tensors);
}

}  // namespace seqrec::trainer
