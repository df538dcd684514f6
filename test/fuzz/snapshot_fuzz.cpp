// libFuzzer target: any bytes as a snapshot file must open and answer, or be refused with Error XX001.
//
// It needs clang and is no part of the default build. From the root of the repository:
//
//   mkdir -p build/fuzz/corpus
//   clang++ -std=c++20 -O1 -g -Isrc -DSEQREC_PORTABLE -fsanitize=fuzzer,address,undefined
//       -fno-sanitize-recover=all src/core/*.cpp src/core/kernels/portable.cpp test/fuzz/snapshot_fuzz.cpp
//       -o build/fuzz/snapshot
//   SEQREC_FUZZ_SEED=build/fuzz/corpus/valid build/fuzz/snapshot -runs=0
//   build/fuzz/snapshot -dict=test/fuzz/snapshot.dict -max_len=65536 -rss_limit_mb=2048 build/fuzz/corpus
//
// (the second command, of three lines, on one). With SEQREC_FUZZ_SEED it first writes a valid snapshot there,
// without which no fuzzer finds its way past the header.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../unit/memory_file.hpp"
#include "../unit/tiny_model.hpp"
#include "core/recommend.hpp"

using namespace seqrec;

namespace {

void ask(const Snapshot& snapshot, std::string_view user, std::span<const std::string_view> clicks) {
    for (const std::int64_t k : {std::int64_t{10}, INT64_MAX}) recommend(snapshot, {user, clicks, k}, {});
}

void use(const Snapshot& snapshot) {
    for (const IdIndex* index : {&snapshot.items(), &snapshot.users()})
        for (const std::int32_t at : {0, 1, 19, 20}) {
            if (at < index->size()) index->find(index->id(at));
            index->find("item-" + std::to_string(at));
        }
    const std::string_view clicks[] = {"item-1", "item-5", "?", "item-1", "item-9"};
    ask(snapshot, "user-1", clicks);
    ask(snapshot, "user-1", {});
    ask(snapshot, "?", clicks);
    ask(snapshot, "?", {});
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    if (const char* path = std::getenv("SEQREC_FUZZ_SEED")) testing::TinyModel().write(path);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const testing::MemoryFile file({reinterpret_cast<const char*>(data), size});
    try {
        use(Snapshot::open(file.path()));
    } catch (const Error& error) {
        if (error.sqlstate == sqlstate::kDataCorrupted) return 0;
        std::fprintf(stderr, "unexpected error %s: %s\n", error.sqlstate.c_str(), error.what());
        std::abort();
    }
    return 0;
}
