#include "kinds/transformer/warm_start.hpp"

#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/files/id_index.hpp"
#include "files/model_file.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

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

/// For each id its row in the earlier model, or -1.
std::vector<std::int32_t> match(const Ids& ids, const IdIndex& earlier) {
    std::vector<std::int32_t> rows;
    for (std::int64_t i = 0; i < ids.size(); ++i) rows.push_back(earlier.find(ids[i]));
    return rows;
}

/// Copies the rows that are known over those of `fresh`; returns how many.
std::int64_t take_rows(const Tensor& fresh, const Tensor& earlier, const std::vector<std::int32_t>& rows) {
    std::int64_t known = 0;
    const std::int64_t dim = fresh.size(1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i] < 0) continue;
        ++known;
        std::copy_n(earlier.data_ptr<float>() + rows[i] * dim, dim,
                    fresh.data_ptr<float>() + static_cast<std::int64_t>(i) * dim);
    }
    return known;
}

void check_shape(const Members& earlier, const Settings& settings) {
    const Transformer& model = earlier[0].model;
    const bool same = static_cast<std::int64_t>(earlier.size()) == settings.members &&
                      model.item.size(1) == settings.dim && model.position.size(0) == settings.max_len &&
                      static_cast<std::int64_t>(model.blocks.size()) == settings.layers &&
                      model.blocks[0].relative.size(0) == settings.heads;
    if (!same)
        throw Error(sqlstate::kInvalidParameter, "the model to start from has another shape",
                    "Leave members, dim, layers, heads and max_len out; they are taken from it.");
}

/// Every row that an id of the snapshot can lead to is there.
void check_rows(const SafetensorsFile& file, const Members& earlier) {
    const std::int64_t users = IdIndex(file, "user").size();
    (void)file.get<double>("user.seen_until", {users});
    if (earlier[0].model.item.size(0) != IdIndex(file, "item").size() || earlier[0].users.size(0) != users)
        throw Error(
            sqlstate::kDataCorrupted, "the snapshot to start from is not valid: ids and vectors differ",
            "Call seqrec_recommend on that model once; its snapshot is then checked and built again.");
}

std::vector<double> seen_until(const SafetensorsFile& file, const std::vector<std::int32_t>& rows) {
    const auto earlier = file.get<double>("user.seen_until", {-1});
    std::vector<double> seen;
    for (const std::int32_t row : rows)
        seen.push_back(row < 0 ? -std::numeric_limits<double>::infinity()
                               : earlier[static_cast<std::size_t>(row)]);
    return seen;
}

}  // namespace

WarmStart read_warm_start(const std::string& snapshot, const std::string& dataset, const Settings& settings,
                          Random& random) {
    const SafetensorsFile from = SafetensorsFile::open(snapshot), to = SafetensorsFile::open(dataset);
    Members earlier = read_model(from);
    check_shape(earlier, settings);
    check_rows(from, earlier);
    const std::vector<std::int32_t> items = match(Ids(to, "item"), IdIndex(from, "item"));
    const std::vector<std::int32_t> users = match(Ids(to, "user"), IdIndex(from, "user"));
    WarmStart start;
    for (Snapshot& member : earlier) {
        Snapshot fresh;
        fresh.model = std::move(member.model);
        const Tensor known = std::exchange(
            fresh.model.item, Transformer(settings, static_cast<std::int64_t>(items.size()), random).item);
        fresh.users = at::zeros({static_cast<std::int64_t>(users.size()), settings.dim}, at::kFloat);
        start.known_items = take_rows(fresh.model.item, known, items);
        start.known_users = take_rows(fresh.users, member.users, users);
        start.members.push_back(std::move(fresh));
    }
    start.seen_until = seen_until(from, users);
    return start;
}

}  // namespace seqrec::trainer
