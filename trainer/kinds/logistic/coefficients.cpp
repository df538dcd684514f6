#include "kinds/logistic/coefficients.hpp"

#include <algorithm>
#include <numeric>

#include "kinds/shared/texts.hpp"

namespace seqrec::trainer {
namespace {

/// What coefficients stand for, in the order of the layout.
class Names {
  public:
    Names(const Dataset& data, const Design& design)
        : design_(design),
          layout_(design.layout()),
          users_(data.file(), "user"),
          items_(data.file(), "item") {}

    std::string feature(std::size_t coefficient) const {
        return design_.groups()[design_.group_of()[coefficient]].name;
    }

    std::string value(std::int64_t at) const {
        if (at < layout_.user_rows()) return pair(slot(at / layout_.width()), column(at % layout_.width()));
        if (at < layout_.item_rows()) {
            const std::int64_t place = at - layout_.user_rows();
            return pair(users_[place / layout_.width()], column(place % layout_.width()));
        }
        if (at < layout_.affinity()) {
            const std::int64_t place = at - layout_.item_rows();
            const std::int64_t own = place % layout_.own;
            const std::string item(items_[place / layout_.own]);
            return own == 0 ? item : pair(slot(design_.slot_of_own(static_cast<std::int32_t>(own))), item);
        }
        if (at < layout_.wide_queries()) return column((at - layout_.affinity()) % layout_.columns);
        if (at < layout_.wide_items()) return single(design_.query_places(), at - layout_.wide_queries());
        return single(design_.item_places(), at - layout_.wide_items());
    }

  private:
    /// Ids of the dataset file.
    struct Ids {
        std::span<const std::int64_t> offsets;
        std::span<const std::uint8_t> bytes;
        Ids(const SafetensorsFile& file, const std::string& side)
            : offsets(file.get<std::int64_t>(side + ".id.offsets", {-1})),
              bytes(file.get<std::uint8_t>(side + ".id.bytes", {-1})) {}
        std::string operator[](std::int64_t row) const {
            const auto begin = offsets[static_cast<std::size_t>(row)],
                       end = offsets[static_cast<std::size_t>(row) + 1];
            if (begin < 0 || end < begin || end > static_cast<std::int64_t>(bytes.size())) return {};
            return {reinterpret_cast<const char*>(bytes.data()) + begin,
                    static_cast<std::size_t>(end - begin)};
        }
    };

    static std::string pair(const std::string& a, const std::string& b) {
        return a.empty() ? b : b.empty() ? a : a + " * " + b;
    }
    std::string slot(std::int64_t slot) const { return of_slot(design_.query_places(), slot); }
    std::string column(std::int64_t column) const { return of_slot(design_.item_places(), column); }
    static std::string of_slot(const std::vector<Place>& places, std::int64_t at) {
        for (const Place& place : places)
            if (at >= place.first && at < place.first + place.column->slots())
                return slot_of(*place.column, static_cast<std::int32_t>(at) - place.first);
        return {};
    }
    /// The number itself has a name beside its bins, or crosses of a number and a bin would read like those of
    /// a bin and a number.
    static std::string slot_of(const Column& column, std::int32_t slot) {
        const bool among_others = column.is_number(slot) && column.features() > 1;
        return among_others ? "(number)" : column.slot_value(slot);
    }
    static std::string single(const std::vector<Place>& places, std::int64_t at) {
        for (const Place& place : places)
            if (place.wide >= 0 && at >= place.wide && at < place.wide + place.column->features())
                return place.column->value(static_cast<std::int32_t>(at) - place.wide);
        return {};
    }

    const Design& design_;
    const Layout& layout_;
    Ids users_, items_;
};

/// Those to be told, in the order of the layout.
std::vector<std::size_t> chosen(const Design& design, std::span<const float> counts, std::size_t* left_out) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (design.group_of()[i] != Design::kOff && counts[i] > 0) places.push_back(i);
    *left_out = places.size() - std::min(places.size(), kMostCoefficients);
    if (*left_out == 0) return places;
    std::ranges::stable_sort(places, std::greater<>(), [&](std::size_t i) { return counts[i]; });
    places.resize(kMostCoefficients);
    std::ranges::sort(places);
    return places;
}

}  // namespace

std::vector<NamedTensor> coefficient_table(const Dataset& data, const Design& design,
                                           std::span<const float> coefficients, std::span<const float> errors,
                                           std::span<const float> counts, std::size_t* left_out) {
    const Names names(data, design);
    const std::vector<std::size_t> places = chosen(design, counts, left_out);
    const auto count = static_cast<std::int64_t>(places.size());
    Texts features, values;
    at::Tensor weight = at::empty({count}, at::kFloat), error = at::empty({count}, at::kFloat),
               rows = at::empty({count}, at::kLong);
    for (std::int64_t i = 0; i < count; ++i) {
        const std::size_t place = places[static_cast<std::size_t>(i)];
        features.add(names.feature(place));
        values.add(names.value(static_cast<std::int64_t>(place)));
        weight.data_ptr<float>()[i] = coefficients[place];
        error.data_ptr<float>()[i] = errors[place];
        rows.data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(counts[place]);
    }
    return {{"coefficient.feature.offsets", features.offsets()},
            {"coefficient.feature.bytes", features.bytes()},
            {"coefficient.value.offsets", values.offsets()},
            {"coefficient.value.bytes", values.bytes()},
            {"coefficient.weight", weight},
            {"coefficient.error", error},
            {"coefficient.rows", rows}};
}

}  // namespace seqrec::trainer
