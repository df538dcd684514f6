// libFuzzer target: any bytes as a snapshot file must open and answer, or be refused with Error XX001.
//
// It needs clang and is no part of the default build: `make fuzz` builds it and runs it for a minute,
// `make fuzz FUZZ_SECONDS=3600` for longer; what it learns stays in build/fuzz/corpus. With SEQREC_FUZZ_SEED
// it first writes a valid snapshot there, without which no fuzzer finds its way past the header.
//
// A file is used although its checksum is wrong: the checks of the reader must hold without it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../core/memory_file.hpp"
#include "../core/tiny_model.hpp"
#include "core/recommend.hpp"

using namespace seqrec;

namespace {

/// The same question by every way to an answer: codes, float32, a short list of candidates, the index.
void ask(const Snapshot& snapshot, std::string_view user, Ids clicks) {
    static constexpr std::string_view kSome[] = {"item-2", "item-3", "item-19", "??"};
    const Candidates some(snapshot.items(), Ids(kSome), {});
    const Request requests[] = {{.k = 10},
                                {.k = INT64_MAX, .exclude_seen = false},
                                {.k = 10, .exact = true},
                                {.k = 3, .exclude = kSome, .probes = 1},
                                {.k = 3, .candidates = &some, .min_score = 0}};
    for (const Request& request : requests) recommend(snapshot, {user, clicks}, request, {});
}

bool is_whole(const Snapshot& snapshot) {
    try {
        snapshot.verify();
        return true;
    } catch (const Error& error) {
        if (error.sqlstate != sqlstate::kDataCorrupted) throw;
        return false;
    }
}

void use(const Snapshot& snapshot) {
    for (const IdIndex* index : {&snapshot.items(), &snapshot.users()})
        for (const std::int32_t at : {0, 1, 19, 20}) {
            if (at < index->size()) index->find(index->id(at));
            index->find("item-" + std::to_string(at));
        }
    for (std::int32_t user = 0; user < snapshot.users().size() && user < 8; ++user) snapshot.seen(user);
    const std::string_view clicks[] = {"item-1", "item-5", "?", "item-1", "item-9"};
    ask(snapshot, "user-1", clicks);
    ask(snapshot, "user-1", {});
    ask(snapshot, "?", clicks);
    ask(snapshot, "?", {});
    const Request request{.k = 4};
    const Poll poll;
    const Recommender recommender(snapshot, request, poll);
    recommender.similar("item-7");
    recommender.answer_users(0,
                             static_cast<std::int32_t>(std::min<std::int64_t>(snapshot.users().size(), 5)));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    if (const char* path = std::getenv("SEQREC_FUZZ_SEED")) testing::TinyModel().write(path);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const testing::MemoryFile file({reinterpret_cast<const char*>(data), size});
    try {
        const Snapshot snapshot = Snapshot::open(file.path());
        is_whole(snapshot);
        use(snapshot);
    } catch (const Error& error) {
        if (error.sqlstate == sqlstate::kDataCorrupted) return 0;
        std::fprintf(stderr, "unexpected error %s: %s\n", error.sqlstate.c_str(), error.what());
        std::abort();
    }
    return 0;
}
