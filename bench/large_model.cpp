// Writes a large model without training it, in the place of seqrec-trainer:
//
//     seqrec-large-model train JOB.json
//
// Weights are those that a training starts from; items lie as items do, in groups of groups of very different
// sizes, and a user lies at the latest item. Everything after that, such as the index, is the trainer's own.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "core/kinds/transformer.hpp"
#include "core/options.hpp"
#include "files/model_file.hpp"
#include "index/indexing.hpp"
#include "kinds/transformer/transformer_settings.hpp"
#include "kinds/transformer/transformer_weights.hpp"
#include "random.hpp"
#include "run/stop.hpp"

namespace {

using namespace seqrec::trainer;
using seqrec::kTransformer;

constexpr double kItemsOfGroup = 100;
constexpr double kGenres = 64;
constexpr float kClickLength = 8;  // what untrained blocks add to a click is about as long
constexpr float kUserLength = 2;

/// Random numbers of a thing: the same whatever was drawn before.
Random random_of(std::uint64_t kind, std::uint64_t number) {
    Random random(number * 4 + kind);
    random.next();
    return random;
}

/// Nearly normal, mean 0 and variance 1: the sum of four uniform numbers of 16 bits.
float normal(Random& random) {
    const std::uint64_t x = random.next();
    const auto sum = static_cast<float>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return (sum - 2 * 65535.0f) * (1.7320508f / 65536);
}

void scale_to(float* row, std::size_t dim, float length) {
    float sum = 0;
    for (std::size_t j = 0; j < dim; ++j) sum += row[j] * row[j];
    for (std::size_t j = 0; j < dim; ++j) row[j] *= length / std::sqrt(sum);
}

/// Genres, groups within them, items within those. The share of group g falls like (g + 100)^-0.8; a fourth
/// of the groups belong to the first sixteenth of the genres; how far an item lies from the middle of its
/// group differs by a factor of two.
class Catalogue {
  public:
    Catalogue(std::int64_t items, std::size_t dim)
        : dim_(dim), ends_(1 + static_cast<std::size_t>(static_cast<double>(items) / kItemsOfGroup)) {
        middles_.resize(ends_.size() * dim);
        double sum = 0;
        for (std::size_t g = 0; g < ends_.size(); ++g) {
            ends_[g] = sum += std::pow(static_cast<double>(g) + 100, -0.8);
            Random random = random_of(1, g);
            const double drawn = random.uniform();
            Random genre = random_of(0, static_cast<std::uint64_t>(kGenres * drawn * drawn));
            float* middle = middles_.data() + g * dim;
            for (std::size_t j = 0; j < dim; ++j) middle[j] = normal(genre) + normal(random);
            scale_to(middle, dim, 1);
        }
    }

    void fill(std::int64_t item, float* row) const {
        Random random = random_of(2, static_cast<std::uint64_t>(item));
        const auto end = std::upper_bound(ends_.begin(), ends_.end() - 1, random.uniform() * ends_.back());
        const float* middle = middles_.data() + static_cast<std::size_t>(end - ends_.begin()) * dim_;
        const float reach =
            (0.6f + 0.6f * static_cast<float>(random.uniform())) / std::sqrt(static_cast<float>(dim_));
        for (std::size_t j = 0; j < dim_; ++j) row[j] = middle[j] + reach * normal(random);
        scale_to(row, dim_, kClickLength);
    }

  private:
    std::size_t dim_;
    std::vector<double> ends_;  // of the groups' shares, added up
    std::vector<float> middles_;
};

Member make_member(const Dataset& data, const Settings& settings, Workers& workers) {
    Random random(static_cast<std::uint64_t>(settings.seed));
    Member member{Transformer(settings, 1, random), at::empty({data.users(), settings.dim}, at::kFloat)};
    member.network.item = at::empty({data.items(), settings.dim}, at::kFloat);
    const auto dim = static_cast<std::size_t>(settings.dim);
    float* items = member.network.item.data_ptr<float>();
    float* users = member.users.data_ptr<float>();
    const Catalogue catalogue(data.items(), dim);
    workers.split(data.items(), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t item = begin; item < end; ++item) catalogue.fill(item, items + item * settings.dim);
    });
    for (std::int64_t user = 0; user < data.users(); ++user) {
        float* row = users + user * settings.dim;
        std::copy_n(items + data.sequence(user).back() * settings.dim, dim, row);
        scale_to(row, dim, kUserLength);
    }
    return member;
}

void run(const char* path, Reporter& reporter) {
    const auto job = nlohmann::json::parse(std::ifstream(path));
    const Dataset data(job.at("dataset"));
    nlohmann::json options = seqrec::resolve_options(job.at("kind").get<std::string>(), job.at("options"));
    if (options["threads"] == 0) options["threads"] = std::max(1u, std::thread::hardware_concurrency());
    const Settings settings(options, data, nullptr);
    Workers workers(static_cast<int>(settings.threads));
    Members members;
    members.push_back(make_member(data, settings, workers));
    const TransformerWeights weights(std::move(members));
    nlohmann::json config = settings.to_json(), metrics = nlohmann::json::object();
    config.update(data.config());
    config["members"] = 1;
    const std::optional<ModelIndex> index =
        choose_index(options, weights, kTransformer.form, data, config, metrics, workers, reporter);
    write_model(job.at("model"), {kTransformer, config, metrics}, weights, data,
                index ? &index->items : nullptr);
    reporter.event("done", {{"metrics", metrics}, {"config", config}});
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3 || std::string_view(arguments[1]) != "train") return 2;
    stop_on_signals();
    Reporter reporter;
    try {
        run(arguments[2], reporter);
    } catch (const std::exception& error) {
        reporter.event("error", {{"sqlstate", "XX000"}, {"message", error.what()}, {"hint", ""}});
        return 1;
    }
}
