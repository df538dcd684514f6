#include "kinds/transformer/new_items.hpp"

#include <utility>

#include "kinds/shared/cold_shift.hpp"
#include "kinds/transformer/fitted_content.hpp"
#include "kinds/transformer/fresh_rows.hpp"
#include "measure/cold_items.hpp"

namespace seqrec::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kFewColdQuestions = 100;  // questions that tell nothing

Members with_fitted(const Members& members, const Content& content) {
    Members fitted;
    for (const Member& member : members) fitted.push_back(with_fitted_content(member, content));
    return fitted;
}

/// NDCG@10 of both, or null where too few ask.
json compare(const Dataset& data, const Members& trained, const Members& fitted) {
    if (data.cold_questions(HeldOut::Validation).size() < kFewColdQuestions) return nullptr;
    return {{"trained", cold_ndcg(data, HeldOut::Validation, TransformerWeights(trained))},
            {"fitted", cold_ndcg(data, HeldOut::Validation, TransformerWeights(fitted))}};
}

Shifted shifted_rows(const Members& members, const Content& content, const at::Tensor& query) {
    return [&](double share) {
        Members tried = members;
        set_fresh_rows(tried, content, query, share);
        return std::make_unique<const TransformerWeights>(std::move(tried));
    };
}

}  // namespace

NewItems settle_new_items(const Run& run, const Settings& settings, const at::Tensor& content,
                          std::span<const std::int32_t> said, bool trained, Members& measured,
                          Members& served) {
    NewItems decided;
    const Content before = content_of(content, run.data, Part::Training, said);
    const Content after = content_of(content, run.data, settings.refit ? Part::All : Part::Training, said);
    Members fitted = with_fitted(measured, before);
    const json compared = trained ? compare(run.data, measured, fitted) : json();
    const bool fits = !trained || (compared.is_object() && compared["fitted"] > compared["trained"]);
    if (fits) {
        measured = std::move(fitted);
        served = with_fitted(served, after);
    }
    const at::Tensor query = mean_query(run.data, TransformerWeights(measured));
    const double share = settle_cold_shift(run, settings.cold_shift, shifted_rows(measured, before, query));
    set_fresh_rows(measured, before, query, share);
    set_fresh_rows(served, after, mean_query(run.data, TransformerWeights(served)), share);
    decided.config = {{"content_use", trained ? "trained" : "fitted"},
                      {"cold_rows", fits ? "fitted" : "trained"},
                      {"cold_shift", share}};
    if (compared.is_object()) decided.metrics["cold_rows_ndcg@10"] = compared;
    return decided;
}

}  // namespace seqrec::trainer
