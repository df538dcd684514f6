// What is said of a dataset file that is not valid.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/error.hpp"

namespace seqrec::trainer {

[[noreturn]] inline void corrupted_dataset(const std::string& what) {
    throw Error(sqlstate::kDataCorrupted, "dataset file is not valid: " + what,
                "Start the training again; the file is written anew.");
}

/// Offsets of parts, each from where the one before it ends, of `total` values. 首尾相接的各部分在 total 个值中的起止位置。
inline void check_offsets(std::span<const std::int64_t> offsets, std::size_t total, const std::string& of) {
    if (offsets.empty() || offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(total))
        corrupted_dataset(of + ": offsets do not span all of it");
    for (std::size_t i = 1; i < offsets.size(); ++i)
        if (offsets[i] < offsets[i - 1]) corrupted_dataset(of + ": offsets decrease");
}

}  // namespace seqrec::trainer
