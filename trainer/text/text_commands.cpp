#include "text/text_commands.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "clock.hpp"
#include "random.hpp"
#include "text/bert_encoder.hpp"
#include "text/hashed_text_encoder.hpp"
#include "text/tokenizer_files.hpp"

namespace seqrec::trainer {
namespace {

using at::Tensor;
using nlohmann::json;

constexpr std::int64_t kSide = 2048;  // of the large product
constexpr int kRounds = 5;
constexpr std::size_t kSentences = 1500, kTitles = 20000;
constexpr std::size_t kFewestWords = 10, kMostWords = 18;  // and begin and end
constexpr std::size_t kWords = 30000;

std::vector<std::string> read_texts(const std::string& path) {
    std::ifstream file(path);
    const json texts = json::parse(file, nullptr, false);
    if (!texts.is_array())
        throw Error(sqlstate::kInvalidParameter, "\"" + path + "\" is no JSON array of texts");
    return texts.get<std::vector<std::string>>();
}

json rows_of(const Tensor& vectors) {
    json rows = json::array();
    for (std::int64_t i = 0; i < vectors.size(0); ++i) {
        const float* row = vectors.data_ptr<float>() + i * vectors.size(1);
        rows.push_back(std::vector<float>(row, row + vectors.size(1)));
    }
    return rows;
}

json ids_of(const std::string& name, const std::vector<std::string>& texts) {
    ModelFolder folder(name);
    const WordPiece tokenizer = read_tokenizer(folder, 512);
    json ids = json::array();
    for (const std::string& text : texts) ids.push_back(tokenizer.pieces(text));
    return ids;
}

json vectors_of(const std::string& folder, const std::vector<std::string>& texts) {
    const auto encoder = open_text_encoder(folder);
    if (!encoder->notice().empty()) std::fprintf(stderr, "%s\n", encoder->notice().c_str());
    Workers workers(1);
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return {{"encoder", encoder->fingerprint()}, {"vectors", rows_of(encoder->encode(views, workers, {}))}};
}

/// Runs a command; what it throws goes to standard error with its hint.
template <typename Command>
int said(Command command) try {
    std::puts(command().dump().c_str());
    return 0;
} catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n%s\n", error.sqlstate.c_str(), error.what(), error.hint.c_str());
    return 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

std::string random_word(Random& random) {
    std::string word;
    for (std::uint64_t letters = 3 + random.below(6); letters > 0; --letters)
        word += static_cast<char>('a' + random.below(26));
    return word;
}

std::vector<std::string> random_words(Random& random) {
    std::vector<std::string> words;
    while (words.size() < kWords) words.push_back(random_word(random));
    return words;
}

std::vector<std::string> sentences(const std::vector<std::string>& words, std::size_t count, Random& random) {
    std::vector<std::string> result(count);
    for (std::string& sentence : result) {
        const std::uint64_t length = kFewestWords + random.below(kMostWords - kFewestWords + 1);
        for (std::uint64_t i = 0; i < length; ++i) (sentence += words[random.below(words.size())]) += ' ';
    }
    return result;
}

/// MiniLM-L6's shape.
std::unique_ptr<const TextEncoder> random_encoder(const std::vector<std::string>& words) {
    const BertConfig config{.vocabulary = 30522,
                            .hidden = 384,
                            .layers = 6,
                            .heads = 12,
                            .inner = 1536,
                            .positions = 512,
                            .types = 2};
    Vocabulary vocabulary{{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}};
    for (const std::string& word : words)
        vocabulary.emplace_back(word, static_cast<std::int32_t>(vocabulary.size()));
    return std::make_unique<BertEncoder>("random", Bert(config, random_bert_weights(config), true),
                                         WordPiece(vocabulary, {}), Pooling{});
}

double seconds(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return seconds_since(begin);
}

/// A product of kSide squares with one side packed, as the encoder's are; each worker has its rows.
class LargeProduct {
  public:
    explicit LargeProduct(bool bfloat16)
        : weights_({at::randn({kSide, kSide}), at::zeros({kSide})}, bfloat16),
          x_(at::randn({kSide, kSide})),
          y_(at::empty({kSide, kSide})),
          pairs_(at::empty({kSide, kSide / 2})) {}

    double gflops(Workers& workers) const {
        return 2.0 * kSide * kSide * kSide / 1e9 / seconds([&] {
                   workers.split(kSide, [&](std::int64_t begin, std::int64_t end) {
                       weights_.multiply(x_.data_ptr<float>() + begin * kSide, end - begin,
                                         y_.data_ptr<float>() + begin * kSide,
                                         pairs_.data_ptr<float>() + begin * kSide / 2);
                   });
               });
    }

  private:
    PackedLinear weights_;
    Tensor x_, y_, pairs_;
};

double libtorch_gflops(Workers& workers) {
    const Tensor a = at::randn({kSide, kSide}), b = at::randn({kSide, kSide});
    Tensor c = at::empty({kSide, kSide});
    return 2.0 * kSide * kSide * kSide / 1e9 / seconds([&] {
               workers.split(kSide, [&](std::int64_t begin, std::int64_t end) {
                   Tensor rows = c.slice(0, begin, end);
                   at::mm_out(rows, a.slice(0, begin, end), b);
               });
           });
}

/// The best of several rounds of each, in turn, so that what else the machine does meets all alike.
json bench(int threads, const std::string& folder) {
    Workers workers(threads);
    Random random(1);
    const std::vector<std::string> words = random_words(random);
    const std::vector<std::string> texts = sentences(words, kSentences, random),
                                   titles = sentences(words, kTitles, random);
    const std::vector<std::string_view> asked(texts.begin(), texts.end()),
        short_texts(titles.begin(), titles.end());
    const auto encoder = folder.empty() ? random_encoder(words) : open_bert_encoder(folder);
    const auto& bert = dynamic_cast<const BertEncoder&>(*encoder);
    const bool bfloat16 = kernels::table().bfloat16;
    const LargeProduct product(bfloat16);
    const HashedTextEncoder fallback;
    double best = 1e30, hashed = 1e30, large = 0, libtorch = 0;
    for (int round = 0; round < kRounds; ++round) {
        large = std::max(large, product.gflops(workers));
        best = std::min(best, seconds([&] { (void)encoder->encode(asked, workers, {}); }));
        large = std::max(large, product.gflops(workers));
        hashed = std::min(hashed, seconds([&] { (void)fallback.encode(short_texts, workers, {}); }));
        if (!bfloat16) libtorch = std::max(libtorch, libtorch_gflops(workers));
    }
    const auto [tokens, operations] = bert.cost(asked);
    const double gflops = operations / best / 1e9, machine = std::max(large, libtorch);
    return {{"threads", threads},
            {"kernels", kernels::table().name},
            {"precision", bfloat16 ? "bfloat16" : "float32"},
            {"model", folder.empty() ? "random weights, 6 x 384, 12 heads, 1536" : folder},
            {"sentences", kSentences},
            {"tokens_per_sentence", static_cast<double>(tokens) / kSentences},
            {"sentences_per_s", kSentences / best},
            {"gflops", gflops},
            {"large_product_gflops", large},
            {"libtorch_product_gflops", bfloat16 ? json() : json(libtorch)},
            {"ratio", gflops / machine},
            {"fallback_titles_per_s", kTitles / hashed}};
}

}  // namespace

int run_embed_text(const std::string& folder, const std::string& texts, bool ids) {
    return said(
        [&] { return ids ? ids_of(folder, read_texts(texts)) : vectors_of(folder, read_texts(texts)); });
}

int run_bench_text(int threads, const std::string& folder) {
    return said([&] { return bench(threads, folder); });
}

}  // namespace seqrec::trainer
