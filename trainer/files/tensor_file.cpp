#include "files/tensor_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "run/stop.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::pair<DType, at::ScalarType> kTypes[] = {{DType::F32, at::kFloat},
                                                       {DType::F64, at::kDouble},
                                                       {DType::I32, at::kInt},
                                                       {DType::I64, at::kLong},
                                                       {DType::U8, at::kByte}};

DType file_type(at::ScalarType type) {
    for (const auto& [ours, theirs] : kTypes)
        if (theirs == type) return ours;
    throw Error(sqlstate::kInternal, "a tensor has a type that no file of ours holds");
}

at::ScalarType torch_type(DType type) {
    for (const auto& [ours, theirs] : kTypes)
        if (ours == type) return theirs;
    throw Error(sqlstate::kDataCorrupted, "a tensor has an unexpected type");
}

}  // namespace

void write_tensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                   const std::vector<NamedTensor>& tensors) {
    const WriteGuard guard;
    SafetensorsWriter writer;
    writer.end_with_checksum();
    for (const auto& [key, value] : metadata) writer.set_metadata(key, value);
    for (const auto& [name, tensor] : tensors)
        writer.declare(name, file_type(tensor.scalar_type()), tensor.sizes().vec());
    writer.create(path);
    for (const auto& [name, tensor] : tensors) {
        guard.check();
        const at::Tensor values = tensor.contiguous();
        if (values.nbytes() > 0) std::memcpy(writer.bytes(name).data(), values.data_ptr(), values.nbytes());
    }
    guard.check();
    writer.commit([&] { guard.check(); });
}

at::Tensor read_tensor(const SafetensorsFile& file, std::string_view name) {
    const seqrec::Tensor& found = file.tensor(name);
    at::Tensor result = at::empty(found.shape, torch_type(found.dtype));
    if (!found.bytes.empty()) std::memcpy(result.data_ptr(), found.bytes.data(), found.bytes.size());
    return result;
}

void check_finite(std::span<const float> numbers, std::string_view name) {
    if (std::ranges::all_of(numbers, [](float x) { return std::isfinite(x); })) return;
    throw Error(sqlstate::kDataCorrupted, "model is not valid: " + std::string(name) + " is not finite",
                "Train the model again.");
}

}  // namespace seqrec::trainer
