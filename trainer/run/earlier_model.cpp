#include "run/earlier_model.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/files/id_index.hpp"

namespace seqrec::trainer {
namespace {

/// The ids of a dataset file in index order.
class Ids {
  public:
    Ids(const SafetensorsFile& file, const std::string& prefix)
        : offsets_(file.get<std::int64_t>(prefix + ".id.offsets", {-1})),
          bytes_(file.get<std::uint8_t>(prefix + ".id.bytes", {-1})) {}

    std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
    std::string_view operator[](std::int64_t index) const {
        const std::int64_t begin = offsets_[index], end = offsets_[index + 1];
        if (begin < 0 || end < begin || end > static_cast<std::int64_t>(bytes_.size()))
            throw Error(sqlstate::kDataCorrupted, "dataset file is not valid: ids leave their tensor");
        return {reinterpret_cast<const char*>(bytes_.data()) + begin, static_cast<std::size_t>(end - begin)};
    }

  private:
    std::span<const std::int64_t> offsets_;
    std::span<const std::uint8_t> bytes_;
};

/// For each id of the dataset its row in the earlier model, or -1.
std::vector<std::int32_t> match(const Ids& ids, const IdIndex& earlier) {
    std::vector<std::int32_t> rows;
    for (std::int64_t i = 0; i < ids.size(); ++i) rows.push_back(earlier.find(ids[i]));
    return rows;
}

/// Every row that an id of the snapshot can lead to is there.
void check_rows(const SafetensorsFile& file) {
    const std::int64_t users = IdIndex(file, "user").size();
    (void)file.get<double>("user.seen_until", {users});
    const auto rows = [&](const char* name) {
        const Shape& shape = file.tensor(name).shape;
        return shape.empty() ? -1 : shape[0];
    };
    if (rows("item.embedding") != IdIndex(file, "item").size() || rows("user.embedding") != users)
        throw Error(
            sqlstate::kDataCorrupted, "the snapshot to start from is not valid: ids and vectors differ",
            "Call seqrec_recommend on that model once; its snapshot is then checked and built again.");
}

std::vector<double> seen_until_of(const SafetensorsFile& file, const std::vector<std::int32_t>& rows) {
    const auto earlier = file.get<double>("user.seen_until", {-1});
    std::vector<double> seen;
    for (const std::int32_t row : rows)
        seen.push_back(row < 0 ? -std::numeric_limits<double>::infinity()
                               : earlier[static_cast<std::size_t>(row)]);
    return seen;
}

std::int64_t known(const std::vector<std::int32_t>& rows) {
    return std::count_if(rows.begin(), rows.end(), [](std::int32_t row) { return row >= 0; });
}

}  // namespace

EarlierModel::EarlierModel(const std::string& snapshot, const std::string& dataset)
    : file(SafetensorsFile::open(snapshot)) {
    const SafetensorsFile to = SafetensorsFile::open(dataset);
    check_rows(file);
    items = match(Ids(to, "item"), IdIndex(file, "item"));
    users = match(Ids(to, "user"), IdIndex(file, "user"));
    seen_until = seen_until_of(file, users);
}

double EarlierModel::told_until() const {
    double latest = -std::numeric_limits<double>::infinity();
    for (const double time : file.get<double>("user.seen_until", {-1})) latest = std::max(latest, time);
    return latest;
}

std::int64_t EarlierModel::known_items() const { return known(items); }
std::int64_t EarlierModel::known_users() const { return known(users); }

double EarlierModel::gone() const {
    const auto all = static_cast<double>(file.tensor("user.embedding").shape.at(0));
    return all > 0 ? 1 - static_cast<double>(known_users()) / all : 0;
}

void take_rows(const at::Tensor& fresh, const at::Tensor& earlier, const std::vector<std::int32_t>& rows) {
    const std::int64_t width = fresh.size(1);
    if (earlier.dim() != 2 || earlier.size(1) != width)
        throw Error(sqlstate::kDataCorrupted, "the earlier model's rows have another width",
                    "Train the model again.");
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i] >= earlier.size(0))
            throw Error(sqlstate::kDataCorrupted, "the earlier model lacks rows", "Train the model again.");
        else if (rows[i] >= 0)
            std::copy_n(earlier.data_ptr<float>() + rows[i] * width, width,
                        fresh.data_ptr<float>() + static_cast<std::int64_t>(i) * width);
}

}  // namespace seqrec::trainer
