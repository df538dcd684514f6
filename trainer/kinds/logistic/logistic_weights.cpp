#include "kinds/logistic/logistic_weights.hpp"

#include <algorithm>

#include "kinds/shared/texts.hpp"
#include "tensors.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr std::int32_t kFirstRow =
    2;  // of feature.rows, of a column: after what always counts and the clicks

template <typename T>
std::span<const T> view(const Tensor& tensor) {
    return {tensor.data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

/// Coefficients as they are served: times the slope of the calibration.
class Served {
  public:
    Served(const Dataset& data, const Design& design, const Passes& passes,
           std::span<const float> coefficients, const Calibration& calibration)
        : data_(data),
          design_(design),
          passes_(passes),
          layout_(design.layout()),
          at_(coefficients.data()),
          slope_(static_cast<float>(calibration.slope)),
          shift_(static_cast<float>(calibration.shift)),
          columns_(static_cast<std::size_t>(layout_.columns)),
          dim_(layout_.columns + layout_.own) {}

    std::int64_t dim() const { return dim_; }

    Tensor items() const {
        Tensor rows = at::zeros({data_.items(), dim_}, at::kFloat);
        std::vector<Entry> entries;
        for (std::int64_t i = 0; i < data_.items(); ++i) {
            float* row = rows.data_ptr<float>() + i * dim_;
            const auto known = design_.items().at(i);
            entries.assign(known.begin(), known.end());
            design_.append_item_times(i, design_.now(), entries);
            for (const Entry& entry : entries) row[entry.feature] += entry.x;
            row[dim_ - 1] = (1 - slope_) * passes_.correction(i);
            for (const Entry& entry : design_.items().wide_at(i))
                row[dim_ - 1] += slope_ * entry.x * at_[layout_.wide_items() + entry.feature];
            if (layout_.items == 0) continue;
            const float* own = at_ + layout_.item_rows() + i * layout_.own;
            row[dim_ - 1] += slope_ * own[0];
            for (std::int64_t t = 1; t < layout_.own; ++t) row[layout_.columns + t - 1] = slope_ * own[t];
        }
        return rows;
    }

    Tensor users() const {
        Tensor rows = at::zeros({data_.users(), dim_}, at::kFloat);
        for (std::int64_t u = 0; u < layout_.users; ++u)
            copy_row(at_ + layout_.user_rows() + u * layout_.width(), rows.data_ptr<float>() + u * dim_);
        return rows;
    }

    /// Row 0 always counts, row 1 clicks; then the features of columns, a column after the other.
    Tensor rows() const {
        std::int64_t count = 2;
        for (const Place& place : design_.query_places()) count += place.column->features();
        Tensor rows = at::zeros({count, dim_}, at::kFloat);
        float* row = rows.data_ptr<float>();
        copy_row(at_, row);
        row[dim_ - 1] += shift_;
        copy_row(at_ + layout_.width(), row + dim_);
        row += 2 * dim_;
        for (const Place& place : design_.query_places())
            for (std::int32_t f = 0; f < place.column->features(); ++f, row += dim_)
                copy_feature(place, f, row);
        return rows;
    }

    Tensor affinity() const {
        Tensor rows = at::empty({2, layout_.columns}, at::kFloat);
        for (std::int64_t j = 0; j < 2 * layout_.columns; ++j)
            rows.data_ptr<float>()[j] = slope_ * at_[layout_.affinity() + j];
        return rows;
    }

  private:
    void copy_row(const float* from, float* to) const {
        for (std::size_t j = 0; j < columns_; ++j) to[j] = slope_ * from[j];
        to[dim_ - 1] = slope_ * from[columns_];
    }
    void copy_feature(const Place& place, std::int32_t feature, float* to) const {
        const std::int32_t slot = place.first + place.column->slot(feature);
        copy_row(at_ + slot * layout_.width(), to);
        if (const std::int32_t own = design_.own_of(slot); own > 0) to[layout_.columns + own - 1] = 1;
        if (place.wide >= 0) to[dim_ - 1] += slope_ * at_[layout_.wide_queries() + place.wide + feature];
    }

    const Dataset& data_;
    const Design& design_;
    const Passes& passes_;
    const Layout& layout_;
    const float* at_;
    float slope_, shift_;
    std::size_t columns_;
    std::int64_t dim_;
};

}  // namespace

LogisticWeights::LogisticWeights(const Dataset& data, const Design& design, const Passes& passes,
                                 std::span<const float> coefficients, const Calibration& calibration,
                                 std::vector<NamedTensor> coefficient_table)
    : table_(std::move(coefficient_table)) {
    const Served served(data, design, passes, coefficients, calibration);
    items_ = served.items();
    users_ = served.users();
    rows_ = served.rows();
    affinity_ = served.affinity();
    describe_columns(design);
    keep_features_of_users(data, design);
    query_.read_config(config_.dump());
    look();
}

/// What the rows of features are called, and which are whose.
void LogisticWeights::describe_columns(const Design& design) {
    Texts texts;
    texts.add("");  // rows 0 and 1 are of no column
    texts.add("");
    json columns = json::array();
    std::int32_t first = kFirstRow;
    for (const Place& place : design.query_places()) {
        columns.push_back(describe_column(place.column->described(first)));
        for (std::int32_t f = 0; f < place.column->features(); ++f) texts.add(place.column->value(f));
        first += place.column->features();
    }
    value_offsets_ = texts.offsets();
    value_bytes_ = texts.bytes();
    config_ = {{"columns", columns},
               {"clicks", {{"mean", design.clicks_mean()}, {"deviation", design.clicks_deviation()}}},
               {"block", design.layout().columns}};
}

/// Users as they are at the end of the data.
void LogisticWeights::keep_features_of_users(const Dataset& data, const Design& design) {
    std::vector<std::int64_t> offsets = {0};
    std::vector<std::int32_t> features;
    std::vector<float> values;
    std::vector<Entry> entries;
    for (std::int64_t u = 0; u < data.users(); ++u) {
        std::int32_t first = kFirstRow;
        for (const Place& place : design.query_places()) {
            entries.clear();
            if (place.side == Side::User) place.column->append(u, design.now(), entries);
            for (const Entry& entry : entries) {
                features.push_back(first + entry.feature);
                values.push_back(entry.x);
            }
            first += place.column->features();
        }
        offsets.push_back(static_cast<std::int64_t>(features.size()));
    }
    user_offsets_ = tensor_of(offsets, at::kLong);
    user_features_ = tensor_of(features, at::kInt);
    user_values_ = tensor_of(values, at::kFloat);
}

LogisticWeights::LogisticWeights(const SafetensorsFile& file)
    : items_(read_tensor(file, "item.embedding")),
      users_(read_tensor(file, "user.embedding")),
      rows_(read_tensor(file, "feature.rows")),
      affinity_(read_tensor(file, "affinity")),
      user_offsets_(read_tensor(file, "feature.user.offsets")),
      user_features_(read_tensor(file, "feature.user.rows")),
      user_values_(read_tensor(file, "feature.user.values")),
      value_offsets_(read_tensor(file, "feature.value.offsets")),
      value_bytes_(read_tensor(file, "feature.value.bytes")) {
    const LogisticEncoder checked(file);  // every shape
    config_ = json::parse(file.meta("config"));
    query_.read_config(file.meta("config"));
    look();
}

void LogisticWeights::look() {
    query_.dim = items_.size(1);
    query_.items = view<float>(items_);
    query_.users = view<float>(users_);
    query_.rows = view<float>(rows_);
    query_.affinity = view<float>(affinity_);
    query_.user_offsets = view<std::int64_t>(user_offsets_);
    query_.user_rows = view<std::int32_t>(user_features_);
    query_.user_values = view<float>(user_values_);
}

at::Tensor LogisticWeights::encode(const Histories& histories, const std::vector<std::int32_t>& users) const {
    Tensor queries = at::empty({static_cast<std::int64_t>(histories.size()), query_.dim}, at::kFloat);
    const std::vector<bool> none(static_cast<std::size_t>(rows_.size(0)));
    for (std::size_t i = 0; i < histories.size(); ++i) {
        float* row = queries.data_ptr<float>() + static_cast<std::int64_t>(i) * query_.dim;
        query_.encode(histories[i], users[i], {}, none, {row, static_cast<std::size_t>(query_.dim)});
    }
    return queries;
}

std::vector<NamedTensor> LogisticWeights::tensors() const {
    std::vector<NamedTensor> all = {{"feature.rows", rows_},
                                    {"affinity", affinity_},
                                    {"feature.user.offsets", user_offsets_},
                                    {"feature.user.rows", user_features_},
                                    {"feature.user.values", user_values_},
                                    {"feature.value.offsets", value_offsets_},
                                    {"feature.value.bytes", value_bytes_}};
    all.insert(all.end(), table_.begin(), table_.end());
    return all;
}

}  // namespace seqrec::trainer
