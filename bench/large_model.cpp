// Writes a large model in seconds, in the place of seqrec-trainer:
//
//     seqrec-bench-large-model train JOB.json
//
// Items lie as items do, in groups of groups of very different sizes; nothing is learned. The encoder is that of
// a model of one member that was trained before, tiny.safetensors in the folder of this program (a copy of it:
// bench/stand_in.py).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "core/safetensors.hpp"

namespace {

using namespace seqrec;

/// Random numbers that belong to a thing: its vector is the same whatever was drawn before.
class Draw {
  public:
    Draw(std::uint64_t kind, std::uint64_t number) : state_((number << 3 | kind) * 0x9e3779b97f4a7c15) {}
    std::uint64_t bits() {  // splitmix64
        std::uint64_t x = state_ += 0x9e3779b97f4a7c15;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        return x ^ x >> 31;
    }
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
    /// Nearly normal: the sum of four uniform numbers; mean 0, variance 1.
    float normal() {
        const std::uint64_t x = bits();
        const auto sum = static_cast<float>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
        return (sum - 2 * 65535.0f) * (1.7320508f / 65536.0f);
    }

  private:
    std::uint64_t state_;
};

void normalise(std::span<float> row) {
    const float length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0f));
    for (float& x : row) x /= length;
}

/// Genres, groups within them (one for 100 items), items within those: each a little away from the larger one.
/// Group g of G has a share of the items that falls like (g + 100)^-0.8; groups follow genres like g^-0.5.
class Catalogue {
  public:
    Catalogue(std::int64_t items, std::size_t dim) : dim_(dim), ends_(static_cast<std::size_t>(items / 100 + 1)) {
        centres_.resize(ends_.size() * dim);
        double sum = 0;
        for (std::size_t g = 0; g < ends_.size(); ++g) {
            Draw draw(1, g);
            const auto genre = static_cast<std::uint64_t>(64 * std::pow(draw.uniform(), 2));
            Draw of_genre(0, genre);
            const auto centre = std::span(centres_).subspan(g * dim, dim);
            for (float& x : centre) x = of_genre.normal() + draw.normal();
            normalise(centre);
            ends_[g] = sum += std::pow(static_cast<double>(g) + 100, -0.8);
        }
    }

    void fill(std::int64_t item, std::span<float> row) const {
        Draw draw(2, static_cast<std::uint64_t>(item));
        const auto found = std::upper_bound(ends_.begin(), ends_.end(), draw.uniform() * ends_.back());
        const auto group = static_cast<std::size_t>(std::min(found, ends_.end() - 1) - ends_.begin());
        const float spread = 0.5f + 0.5f * static_cast<float>(draw.uniform());
        const float step = spread / std::sqrt(static_cast<float>(dim_));
        for (std::size_t j = 0; j < dim_; ++j) row[j] = centres_[group * dim_ + j] + step * draw.normal();
        normalise(row);
    }

  private:
    std::size_t dim_;
    std::vector<double> ends_;    // of the groups' shares, added up
    std::vector<float> centres_;  // [groups, dim]
};

/// What a user had, each item once, the latest last.
std::vector<std::int32_t> seen_of(std::span<const std::int32_t> events) {
    std::vector<std::int32_t> seen, latest_first;
    for (std::size_t i = events.size(); i-- > 0;) {
        if (std::find(latest_first.begin(), latest_first.end(), events[i]) == latest_first.end())
            latest_first.push_back(events[i]);
    }
    seen.assign(latest_first.rbegin(), latest_first.rend());
    return seen;
}

void write(const nlohmann::json& job, const SafetensorsFile& tiny) {
    const auto data = SafetensorsFile::open(job.at("dataset").get<std::string>());
    const auto offsets = data.get<std::int64_t>("user.offsets", {-1});
    const auto events = data.get<std::int32_t>("event.item", {-1});
    const auto times = data.get<double>("event.time", {-1});
    const auto users = static_cast<std::int64_t>(offsets.size()) - 1;
    const auto items = static_cast<std::int64_t>(data.tensor("item.id.offsets").shape[0]) - 1;
    const std::int64_t dim = tiny.tensor("item.embedding").shape[1];
    const auto width = static_cast<std::size_t>(dim);

    std::vector<std::int64_t> seen_offsets{0};
    std::vector<std::int32_t> seen;
    for (std::size_t user = 0; user + 1 < offsets.size(); ++user) {
        const auto own = events.subspan(static_cast<std::size_t>(offsets[user]),
                                        static_cast<std::size_t>(offsets[user + 1] - offsets[user]));
        const auto distinct = seen_of(own);
        seen.insert(seen.end(), distinct.begin(), distinct.end());
        seen_offsets.push_back(static_cast<std::int64_t>(seen.size()));
    }

    SafetensorsWriter out;
    for (const auto& [key, value] : tiny.metadata()) out.set_metadata(key, value);
    out.declare<float>("item.embedding", {items, dim});
    out.declare<float>("click.length", {items, 1});
    out.declare<float>("user.embedding", {users, dim});
    out.declare<float>("item.popularity", {items});
    out.declare<double>("user.seen_until", {users});
    out.declare<std::int64_t>("user.seen.offsets", {users + 1});
    out.declare<std::int32_t>("user.seen.items", {static_cast<std::int64_t>(seen.size())});
    for (const auto& [name, tensor] : tiny.tensors())
        if (name.starts_with("member.")) out.declare(name, tensor.dtype, tensor.shape);
    out.create(job.at("model").get<std::string>());

    const Catalogue catalogue(items, width);
    const auto matrix = out.data<float>("item.embedding");
    for (std::int64_t item = 0; item < items; ++item)
        catalogue.fill(item, matrix.subspan(static_cast<std::size_t>(item) * width, width));
    const auto lengths = tiny.get<float>("click.length", {-1, 1});
    const float length = std::accumulate(lengths.begin(), lengths.end(), 0.0f) / static_cast<float>(lengths.size());
    std::ranges::fill(out.data<float>("click.length"), length);
    const auto popularity = out.data<float>("item.popularity");
    for (const std::int32_t item : events) ++popularity[static_cast<std::size_t>(item)];
    const auto vectors = out.data<float>("user.embedding");
    const auto until = out.data<double>("user.seen_until");
    for (std::size_t user = 0; user + 1 < offsets.size(); ++user) {
        const auto last = static_cast<std::size_t>(offsets[user + 1]) - 1;
        const auto row = matrix.subspan(static_cast<std::size_t>(events[last]) * width, width);
        for (std::size_t j = 0; j < width; ++j) vectors[user * width + j] = 0.3f * length * row[j];
        until[user] = times[last];
    }
    std::ranges::copy(seen_offsets, out.data<std::int64_t>("user.seen.offsets").begin());
    std::ranges::copy(seen, out.data<std::int32_t>("user.seen.items").begin());
    for (const auto& [name, tensor] : tiny.tensors())
        if (name.starts_with("member.")) std::ranges::copy(tensor.bytes, out.bytes(name).begin());
    out.commit(Durability::Scratch);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3 || std::string_view(arguments[1]) != "train") {
        std::fprintf(stderr, "usage: %s train JOB.json\n", arguments[0]);
        return 2;
    }
    try {
        const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
        write(nlohmann::json::parse(std::ifstream(arguments[2])), SafetensorsFile::open(folder / "tiny.safetensors"));
    } catch (const std::exception& error) {
        std::printf("%s\n", nlohmann::json{{"event", "error"}, {"sqlstate", "XX000"}, {"message", error.what()}, {"hint", ""}}.dump().c_str());
        return 1;
    }
    std::puts("{\"event\": \"done\"}");
}
