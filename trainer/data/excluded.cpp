#include "data/excluded.hpp"

#include "indexes.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {

Excluded::Excluded(const Dataset& data) : marked_(data.file().contains("event.excluded")) {
    if (!marked_) return;
    const auto marks = data.file().get<std::uint8_t>("event.excluded", {data.rows()});
    const auto users = data.file().get<std::int64_t>("user.offsets", {data.users() + 1});
    const auto items = data.file().get<std::int32_t>("event.item", {data.rows()});
    for (std::size_t u = 0; u + 1 < users.size(); ++u) {
        for (std::int64_t row = users[u]; row < users[u + 1]; ++row) {
            if (marks[static_cast<std::size_t>(row)] == 0) continue;
            items_.push_back(items[static_cast<std::size_t>(row)]);
            rows_.push_back(row);
        }
        offsets_.push_back(static_cast<std::int64_t>(items_.size()));
    }
    if (any()) row_of_place_ = data.rows_of_sequences();
}

std::vector<std::int32_t> Excluded::before(const Dataset& data, const Question& question) const {
    std::vector<std::int32_t> items;
    if (!any()) return items;
    const auto user = static_cast<std::size_t>(question.user);
    const std::int64_t row = row_of_place_[static_cast<std::size_t>(data.offsets()[user] + question.at)];
    for (std::int64_t i = offsets_[user]; i < offsets_[user + 1]; ++i)
        if (rows_[static_cast<std::size_t>(i)] < row) items.push_back(items_[static_cast<std::size_t>(i)]);
    sort_unique(items);
    return items;
}

std::vector<NamedTensor> Excluded::tensors() const {
    if (!marked_) return {};
    std::vector<std::int64_t> offsets{0};
    std::vector<std::int32_t> all;
    for (std::size_t u = 0; u + 1 < offsets_.size(); ++u) {
        std::vector<std::int32_t> own(items_.begin() + offsets_[u], items_.begin() + offsets_[u + 1]);
        sort_unique(own);
        all.insert(all.end(), own.begin(), own.end());
        offsets.push_back(static_cast<std::int64_t>(all.size()));
    }
    return {{"excluded.offsets", tensor_of(offsets, at::kLong)},
            {"excluded.items", tensor_of(all, at::kInt)}};
}

}  // namespace seqrec::trainer
