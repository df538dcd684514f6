// What counts as out of memory.
#include "run/memory_errors.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

#include "core/error.hpp"
#include "torch.hpp"

namespace seqrec::trainer {
namespace {

c10::Error torch_error(const char* text) { return {{"function", "file.cpp", 1}, text}; }

TEST(MemoryErrors, AreWhatLibtorchSays) {
    for (const char* text :
         {"[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you "
          "tried to allocate 768000 bytes. Error code 12 (Cannot allocate memory)",  // 1.13
          "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried to "
          "allocate 768000 bytes.",
          "CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 78.00 GiB total capacity)",
          "CUDA error: out of memory"})
        EXPECT_TRUE(is_out_of_memory(torch_error(text))) << text;
    EXPECT_FALSE(is_out_of_memory(torch_error("The size of tensor a (2) must match that of tensor b (3)")));
}

TEST(MemoryErrors, AreWhatTheStandardLibraryThrows) {
    EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
    EXPECT_TRUE(is_out_of_memory(std::bad_array_new_length()));
    for (const int code : {EAGAIN, ENOMEM})
        EXPECT_TRUE(is_out_of_memory(std::system_error(code, std::generic_category()))) << code;
    EXPECT_FALSE(is_out_of_memory(std::system_error(EPERM, std::generic_category())));
    EXPECT_FALSE(is_out_of_memory(std::length_error("vector::_M_default_append")));
    EXPECT_FALSE(is_out_of_memory(std::runtime_error("the loss is not a finite number")));
}

/// A file that can't be mapped, or not made longer.
TEST(MemoryErrors, AreWhatTheSystemSaysToCore) {
    const std::string before = "could not map file \"/data/model\": ";
    EXPECT_TRUE(is_out_of_memory(Error(sqlstate::kIo, before + std::strerror(ENOMEM))));
    EXPECT_FALSE(is_out_of_memory(Error(sqlstate::kIo, before + std::strerror(EACCES))));
    EXPECT_FALSE(is_out_of_memory(Error(sqlstate::kDiskFull, before + std::strerror(ENOSPC))));
}

}  // namespace
}  // namespace seqrec::trainer
