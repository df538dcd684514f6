#include "kinds/transformer/transformer_weights.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "kernels/step_kernels.hpp"
#include "kinds/shared/batches.hpp"
#include "run/earlier_model.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;

constexpr char kOwn[] = "content.own", kFresh[] = "content.fresh";
constexpr char kItems[] = "item.embedding", kUsers[] = "user.embedding", kLengths[] = "click.length";
constexpr char kToldOffsets[] = "context.value.offsets", kToldBytes[] = "context.value.bytes";

/// What is said of the clicks of histories [begin, end), of each the last max_len.
std::shared_ptr<const Terms> terms_of(const Said& said, const Histories& histories, std::size_t begin,
                                      std::size_t end, std::size_t max_len) {
    if (said.clicks.empty()) return nullptr;
    auto terms = std::make_shared<Terms>();
    for (std::size_t i = begin; i < end; ++i) {
        const std::size_t length = histories[i].size();
        for (std::size_t c = length - std::min(length, max_len); c < length; ++c) {
            for (const QueryFeature& feature : said.clicks[i][c]) terms->add(0, feature.row, feature.x);
            terms->end_token();
        }
    }
    return terms;
}

/// Encodes users [begin, end) of the lists into their rows of `result`, a member's slice of columns from
/// `first` on; slices have the length 1 / sqrt(number of members).
void encode_part(const Member& member, const Histories& histories, const std::vector<std::int32_t>& ids,
                 const Said& said, std::size_t begin, std::size_t end, const Tensor& result,
                 std::int64_t first) {
    const std::int64_t wide = result.size(1), dim = member.network.item.size(1);
    const float share = std::sqrt(static_cast<float>(wide / dim));
    const auto max_len = static_cast<std::size_t>(member.network.position.size(0));
    auto batch = std::make_shared<Packed>();
    for (std::size_t i = begin; i < end; ++i)
        batch->append(histories[i].last(std::min(histories[i].size(), max_len)), ids[i]);
    const auto clicks = terms_of(said, histories, begin, end, max_len);
    const Tensor hidden = batch->tokens() > 0 ? member.network.forward(batch, {}, clicks) : Tensor();
    for (std::size_t i = begin; i < end; ++i) {
        float* row = result.data_ptr<float>() + static_cast<std::int64_t>(i) * wide + first;
        const std::int64_t last = batch->offsets[i - begin + 1];
        std::fill_n(row, dim, 0.0f);
        if (last > batch->offsets[i - begin]) {
            std::copy_n(hidden.data_ptr<float>() + (last - 1) * dim, dim, row);
            if (!said.questions.empty())
                for (const QueryFeature& feature : said.questions[i])
                    k().axpy(member.network.asked_moments.data_ptr<float>() + feature.row * dim, row, dim,
                             feature.x);
        }
        if (ids[i] >= 0 && keeps_users(member.users))
            k().axpy(member.users.data_ptr<float>() + ids[i] * dim, row, dim, 1);
        const float length = share * std::sqrt(k().dot(row, row, dim));
        for (std::int64_t d = 0; d < dim && length > 0; ++d) row[d] /= length;
    }
}

/// Where a member has nothing to say of a user the others are the whole: a query has the length 1, or 0.
void complete(const Tensor& queries) {
    const std::int64_t wide = queries.size(1);
    for (std::int64_t i = 0; i < queries.size(0); ++i) {
        float* row = queries.data_ptr<float>() + i * wide;
        const float length = std::sqrt(k().dot(row, row, wide));
        if (length == 0 || length > 0.99f) continue;  // all of them, give or take rounding
        for (std::int64_t d = 0; d < wide; ++d) row[d] /= length;
    }
}

/// The next end so that [begin, end) holds about kEncodedTokens tokens.
std::size_t encode_end(const Histories& histories, std::size_t begin) {
    std::int64_t tokens = 0;
    std::size_t end = begin;
    while (end < histories.size() && tokens < kEncodedTokens)
        tokens += static_cast<std::int64_t>(std::min<std::size_t>(histories[end++].size(), 1024));
    return end;
}

/// Each member's part of a matrix, side by side.
Tensor side_by_side(const std::vector<Tensor>& slices) {
    return slices.size() == 1 ? slices[0] : at::cat(slices, 1);
}

/// The encoder's weights under the names of member m; the item matrix belongs to all.
template <typename Visit>
void for_each_own(Transformer& network, std::size_t m, const Visit& visit) {
    const std::string prefix = "member." + std::to_string(m) + ".";
    network.for_each([&](const std::string& name, Tensor& tensor) {
        if (name != kItems) visit(prefix + name, tensor);
    });
}

/// What the encoder that serves does not read.
void check_content(const SafetensorsFile& file, std::int64_t wide) {
    if (!file.contains(kOwn)) return;
    const std::int64_t items = file.tensor(kItems).shape.at(0);
    check_finite(file.get<float>(kOwn, {items, wide}), kOwn);
    check_finite(file.get<float>(kFresh, {wide}), kFresh);
}

}  // namespace

TransformerWeights::TransformerWeights(const SafetensorsFile& file) {
    const auto config = nlohmann::json::parse(file.meta("config"));
    const auto dim = config.at("dim").get<std::int64_t>();
    check_content(file, dim * config.at("members").get<std::int64_t>());
    const Tensor items = read_tensor(file, kItems), users = read_tensor(file, kUsers);
    const Tensor lengths = read_tensor(file, kLengths);
    members_.resize(config.at("members").get<std::size_t>());
    for (std::size_t m = 0; m < members_.size(); ++m) {
        const auto at = static_cast<std::int64_t>(m);
        Transformer& network = members_[m].network;
        network.blocks.resize(config.at("layers").get<std::size_t>());
        if (file.contains(kOwn)) {
            network.projection = at::empty({0});  // so that it is visited
            members_[m].own = read_tensor(file, kOwn).narrow(1, at * dim, dim).contiguous();
            members_[m].fresh = read_tensor(file, kFresh).narrow(0, at * dim, dim).contiguous();
        }
        if (file.contains(kToldOffsets)) network.begin_moments(0), network.click_moments = at::empty({0});
        for_each_own(network, m, [&](const std::string& name, Tensor& tensor) {
            if (name.find("context.") != std::string::npos)
                check_finite(file.get<float>(name, {MomentContext::rows_of(config), dim}), name);
            if (name.ends_with("content.projection")) check_finite(file.get<float>(name, {dim, -1}), name);
            tensor = read_tensor(file, name);
        });
        network.item = (items.narrow(1, at * dim, dim) * lengths.narrow(1, at, 1)).contiguous();
        members_[m].users = keeps_users(users) ? users.narrow(1, at * dim, dim).contiguous() : users;
    }
    if (!file.contains(kToldOffsets)) return;
    (void)moment_names(file);  // which checks them
    told_ = {{kToldOffsets, read_tensor(file, kToldOffsets)}, {kToldBytes, read_tensor(file, kToldBytes)}};
}

TransformerWeights TransformerWeights::over(const std::vector<std::int32_t>& rows,
                                            const Tensor& content) const {
    const at::NoGradGuard no_gradients;
    Members members = members_;
    const Tensor described = content.abs().amax(1).contiguous();
    for (Member& member : members) {
        if (!member.own.defined())
            throw Error(sqlstate::kFeatureNotSupported, "the model was trained without text of its items",
                        "Train it with a table of items and item_text or item_vector.");
        const Tensor own = at::zeros({static_cast<std::int64_t>(rows.size()), member.own.size(1)});
        take_rows(own, member.own, rows);
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (rows[i] < 0 && member.fresh.defined() && described.data_ptr<float>()[i] > 0)
                own[static_cast<std::int64_t>(i)].copy_(member.fresh);
        member.own = member.network.item = own;
        member.network.item = member.network.rows(content, at::ones({own.size(0)}), false);
    }
    return TransformerWeights(std::move(members), told_);
}

Tensor TransformerWeights::item_rows() const {
    const at::NoGradGuard no_gradients;
    std::vector<Tensor> slices;
    for (const Member& member : members_) slices.push_back(unit_rows(member.network.item));
    return side_by_side(slices);
}

Tensor TransformerWeights::encode(const Histories& histories, const std::vector<std::int32_t>& users) const {
    return encode(histories, users, {});
}

Tensor TransformerWeights::encode(const Histories& histories, const std::vector<std::int32_t>& users,
                                  const Said& said) const {
    const at::NoGradGuard no_gradients;
    const std::int64_t dim = members_[0].network.item.size(1),
                       count = static_cast<std::int64_t>(members_.size());
    Tensor result = at::empty({static_cast<std::int64_t>(histories.size()), count * dim});
    for (std::size_t begin = 0; begin < histories.size();) {
        const std::size_t end = encode_end(histories, begin);
        for (std::int64_t m = 0; m < count; ++m)
            encode_part(members_[static_cast<std::size_t>(m)], histories, users, said, begin, end, result,
                        m * dim);
        begin = end;
    }
    complete(result);
    return result;
}

Tensor TransformerWeights::user_rows() const {
    std::vector<Tensor> slices;
    for (const Member& member : members_) slices.push_back(member.users);
    return side_by_side(slices);
}

std::vector<NamedTensor> TransformerWeights::tensors() const {
    std::vector<NamedTensor> tensors;
    std::vector<Tensor> lengths, own, fresh;
    for (std::size_t m = 0; m < members_.size(); ++m) {
        Transformer network = members_[m].network;  // shares its tensors
        for_each_own(network, m, [&](const std::string& name, Tensor& tensor) {
            tensors.push_back({name, tensor});
        });
        lengths.push_back(network.item.norm(2, 1, true));
        if (!members_[m].own.defined()) continue;
        own.push_back(members_[m].own);
        fresh.push_back(members_[m].fresh.defined() ? members_[m].fresh
                                                    : at::zeros({members_[m].own.size(1)}));
    }
    if (!own.empty()) {
        tensors.push_back({kOwn, side_by_side(own)});
        tensors.push_back({kFresh, at::cat(fresh)});
    }
    tensors.push_back({kLengths, side_by_side(lengths)});
    tensors.insert(tensors.end(), told_.begin(), told_.end());
    return tensors;
}

std::vector<QueryFeature> InformedWeights::of(std::int64_t place, std::int64_t before) const {
    std::vector<QueryFeature> features;
    moments_.append(place, before, features);
    std::erase_if(features, [&](const QueryFeature& feature) {
        return moments_.is_of_time(feature.row) ? !said_.time : !said_.columns;
    });
    return features;
}

Tensor InformedWeights::ask(const Dataset& data, std::span<const Question> questions) const {
    Histories histories;
    std::vector<std::int32_t> users;
    Said said;
    for (const Question& question : questions) {
        const std::int64_t begin = data.offsets()[static_cast<std::size_t>(question.user)];
        histories.push_back(data.sequence(question.user).first(static_cast<std::size_t>(question.at)));
        users.push_back(data.asker(question));
        said.questions.push_back(of(begin + question.at, question.at > 0 ? begin + question.at - 1 : -1));
        if (!of_clicks_) continue;
        ClickFeatures& clicks = said.clicks.emplace_back();
        for (std::int64_t at = 0; at < question.at; ++at)
            clicks.push_back(of(begin + at, at > 0 ? begin + at - 1 : -1));
    }
    return weights_.encode(histories, users, said);
}

}  // namespace seqrec::trainer
