#include "text/bert_encoder.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "text/tokenizer_files.hpp"

namespace seqrec::trainer {
namespace {

constexpr std::int64_t kBatchTokens = 384;  // a multiple of the kernels' tiles; activations stay in the cache
constexpr std::int64_t kTextsAtOnce = 1024;

/// Numbers of a range that several threads take in turn.
class Turns {
  public:
    explicit Turns(std::size_t count) : count_(count) {}
    /// The next number, or `count` when there is none.
    std::size_t next() { return std::min(next_.fetch_add(1), count_); }
    void stop() { next_ = count_; }
    bool is_over(std::size_t turn) const { return turn >= count_; }
    double share() const {
        return static_cast<double>(std::min(next_.load(), count_)) /
               static_cast<double>(std::max<std::size_t>(count_, 1));
    }

  private:
    std::size_t count_;
    std::atomic<std::size_t> next_{0};
};

/// Work by turns in all workers; `poll` is heard in the caller's thread. An error of one ends the others' as well.
void take_turns(Workers& workers, std::size_t count, const std::function<void(double)>& poll,
                const std::function<std::function<void(std::size_t)>()>& make_work) {
    Turns turns(count);
    workers.run([&](int part) {
        try {
            const std::function<void(std::size_t)> work = make_work();
            for (std::size_t turn = turns.next(); !turns.is_over(turn); turn = turns.next()) {
                work(turn);
                if (part == 0 && poll) poll(turns.share());
            }
        } catch (...) {
            turns.stop();
            throw;
        }
    });
}

}  // namespace

/// Texts by their numbers.
struct BertEncoder::Batch {
    std::vector<std::size_t> texts;
};

BertEncoder::BertEncoder(std::string fingerprint, Bert bert, WordPiece tokenizer, Pooling pooling)
    : fingerprint_(std::move(fingerprint)),
      bert_(std::move(bert)),
      tokenizer_(std::move(tokenizer)),
      pooling_(std::move(pooling)) {}

BertEncoder::Ids BertEncoder::tokenized(std::span<const std::string_view> texts, Workers& workers) const {
    Ids ids(texts.size());
    const std::size_t chunks = (texts.size() + kTextsAtOnce - 1) / kTextsAtOnce;
    take_turns(workers, chunks, {}, [&] {
        return [&](std::size_t chunk) {
            const std::size_t begin = chunk * kTextsAtOnce,
                              end = std::min(begin + kTextsAtOnce, texts.size());
            for (std::size_t i = begin; i < end; ++i) ids[i] = tokenizer_.ids(texts[i]);
        };
    });
    return ids;
}

void BertEncoder::pool(const float* hidden, std::int64_t tokens, float* to) const {
    const std::int64_t n = width();
    std::copy_n(hidden, n, to);
    if (!pooling_.cls) {
        for (std::int64_t t = 1; t < tokens; ++t) kernels::table().axpy(hidden + t * n, to, n, 1);
        for (std::int64_t i = 0; i < n; ++i) to[i] /= static_cast<float>(tokens);
    }
    if (!pooling_.normalize) return;
    const float length = std::max(std::sqrt(kernels::table().dot(to, to, n)), 1e-12f);
    for (std::int64_t i = 0; i < n; ++i) to[i] /= length;
}

void BertEncoder::encode_batch(const Batch& batch, const Ids& ids, BertScratch& scratch,
                               float* vectors) const {
    PackedTexts packed;
    for (const std::size_t text : batch.texts) packed.add(ids[text]);
    bert_.forward(packed, scratch);
    for (std::size_t s = 0; s < batch.texts.size(); ++s)
        pool(scratch.hidden.data() + packed.offsets[s] * width(), packed.offsets[s + 1] - packed.offsets[s],
             vectors + static_cast<std::int64_t>(batch.texts[s]) * width());
}

/// The longest first: the last to be done is then a short one, for which no thread waits long. A text without a word is
/// in none.
std::vector<BertEncoder::Batch> BertEncoder::cut_batches(const Ids& ids) {
    std::vector<std::size_t> order(ids.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return ids[a].size() > ids[b].size(); });
    std::vector<Batch> batches;
    std::size_t room = 0;
    for (const std::size_t text : order) {
        if (ids[text].empty()) break;
        if (batches.empty() || ids[text].size() > room) {
            batches.emplace_back();
            room = kBatchTokens;
        }
        batches.back().texts.push_back(text);
        room -= std::min(room, ids[text].size());
    }
    return batches;
}

at::Tensor BertEncoder::encode(std::span<const std::string_view> texts, Workers& workers,
                               const std::function<void(double)>& poll) const {
    at::Tensor vectors = at::zeros({static_cast<std::int64_t>(texts.size()), width()});
    const Ids ids = tokenized(texts, workers);
    const std::vector<Batch> batches = cut_batches(ids);
    take_turns(workers, batches.size(), poll, [&] {
        auto scratch = std::make_shared<BertScratch>();
        return [&, scratch](std::size_t turn) {
            encode_batch(batches[turn], ids, *scratch, vectors.data_ptr<float>());
        };
    });
    return vectors;
}

std::pair<std::int64_t, double> BertEncoder::cost(std::span<const std::string_view> texts) const {
    PackedTexts packed;
    for (const std::string_view text : texts) packed.add(tokenizer_.ids(text));
    return {packed.tokens(), bert_.operations(packed)};
}

std::unique_ptr<const TextEncoder> open_bert_encoder(const std::string& name) {
    ModelFolder folder(name);
    const BertConfig config = read_bert_config(folder);
    const Pooling pooling = read_pooling(folder);
    WordPiece tokenizer = read_tokenizer(folder, config.positions);
    if (tokenizer.largest_id() >= config.vocabulary)
        folder.fail(sqlstate::kDataCorrupted, "config.json",
                    "the language model's vocabulary has token " + std::to_string(tokenizer.largest_id()) +
                        ", its vocab_size is " + std::to_string(config.vocabulary));
    Bert bert(config, read_bert_weights(folder, config), true);
    if (tokenizer.largest_id() + 1 < config.vocabulary * 9 / 10)  // some models leave room for a few more
        folder.fail(sqlstate::kDataCorrupted, "vocab.txt or tokenizer.json",
                    "the language model's vocabulary ends with token " +
                        std::to_string(tokenizer.largest_id()) + ", its vocab_size is " +
                        std::to_string(config.vocabulary));
    return std::make_unique<BertEncoder>("bert/1/" + folder.hash(), std::move(bert), std::move(tokenizer),
                                         pooling);
}

}  // namespace seqrec::trainer
