#include "kinds/p5/prompt.hpp"

#include <cmath>

namespace seqrec::trainer {
namespace {

void add(Terms& to, TokenTable table, std::int64_t row, float x) {
    to.add(static_cast<std::int32_t>(table), static_cast<std::int32_t>(row), x);
}

void add(Terms& to, SpecialToken row) { add(to, TokenTable::Special, static_cast<std::int64_t>(row), 1); }

}  // namespace

void Reading::end_sequence(std::int32_t user) {
    sequences.items.resize(static_cast<std::size_t>(tokens()));  // nobody reads them
    sequences.offsets.push_back(tokens());
    sequences.users.push_back(user);
}

Scribe::Scribe(std::shared_ptr<const UserFeatures> features, std::int64_t dim)
    : features_(std::move(features)), scale_(std::sqrt(static_cast<float>(dim))) {
    std::vector<QueryColumn> columns;
    for (const nlohmann::json& column : features_->columns()) columns.push_back(read_column(column));
    token_of_row_ = prompt_tokens(columns, features_->rows());
}

void Scribe::start(Terms& to) const {
    add(to, SpecialToken::Start);
    to.end_token();
}

bool Scribe::prompt(Terms& to, std::int32_t user, std::uint32_t columns, std::int32_t own) const {
    const std::int64_t before = to.tokens();
    start(to);
    const auto known = user >= 0 ? features_->of(user) : std::span<const QueryFeature>();
    for (std::int32_t token = 0; token < kPromptColumns; ++token) {
        if ((columns >> token & 1) == 0) continue;
        const std::size_t terms = to.terms.size();
        for (const QueryFeature& feature : known)
            if (token_of_row_[static_cast<std::size_t>(feature.row)] == token)
                add(to, TokenTable::Features, feature.row, scale_ * feature.x);
        if (to.terms.size() > terms) to.end_token();
    }
    if (own >= 0) {
        add(to, SpecialToken::Personal);
        add(to, TokenTable::Personal, own, scale_);
        to.end_token();
    }
    if (to.tokens() > before + 1) return true;
    to.drop_token();
    return false;
}

void Scribe::click(Terms& to, std::int32_t item, std::int32_t place) const {
    add(to, TokenTable::Items, item, scale_);
    add(to, TokenTable::Positions, place, 1);
    to.end_token();
}

void Scribe::hidden(Terms& to, std::int32_t place) const {
    add(to, SpecialToken::Hidden);
    add(to, TokenTable::Positions, place, 1);
    to.end_token();
}

}  // namespace seqrec::trainer
