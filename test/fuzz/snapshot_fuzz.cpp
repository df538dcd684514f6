// libFuzzer target: any bytes as a snapshot file must open and answer, or be refused with Error XX001.
//
// It needs clang and is no part of the default build: `make fuzz` builds it and runs it for a minute,
// `make fuzz FUZZ_SECONDS=3600` for longer; what it learns stays in build/fuzz/corpus. With SEQREC_FUZZ_SEED
// it first writes a valid snapshot there, without which no fuzzer finds its way past the header.
//
// A file is used although its checksum is wrong: the checks of the reader must hold without it.
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
