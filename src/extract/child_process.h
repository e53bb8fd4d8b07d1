#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft {

struct ChildLimits {
    std::chrono::milliseconds time{30'000};  // by the clock ...
    std::uint64_t processor_seconds = 20;    // ... and by the processor
    std::uint64_t memory_bytes = 1ULL << 30; // of its address space
    std::size_t output_bytes = 16 << 20;
};

struct ChildOutput {
    std::string text;
    int status = 0;       // its exit status; 128 and more: a signal ended it
};

// Runs a program of the PATH, gives it the input and reads what it says, until it ends. It can write no files, start no
// programs to speak of, and sees nothing of ours: neither open files nor environment. Errors: not_implemented when there
// is no such program; timeout and too_large when it exceeds its time or output, and is ended. Waits. Thread: any.
[[nodiscard]] Result<ChildOutput> run_child(const std::vector<std::string>& command, std::string_view input, const ChildLimits& limits);

}  // namespace weft
