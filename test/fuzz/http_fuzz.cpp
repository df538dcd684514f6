// libFuzzer target: any bytes as requests must be answered, and with nothing but answers and problems.
//
// It needs clang and is no part of the default build: `make fuzz-http` builds it and runs it for a minute,
// `make fuzz-http FUZZ_SECONDS=3600` for longer. It begins with test/fuzz/http/, which the unit tests of the
// sidecar take too; what it learns stays in build/fuzz/http-corpus.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "http_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static seqrec::testing::HttpInput input;
    try {
        input.take({reinterpret_cast<const char*>(data), size});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "unexpected exception: %s\n", error.what());
        std::abort();
    }
    return 0;
}
