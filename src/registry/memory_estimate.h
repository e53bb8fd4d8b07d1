#pragma once

#include <cstdint>

#include "registry/gguf.h"

namespace weft {

// How a model would be loaded, as far as memory is concerned.
struct MemoryShape {
    std::uint64_t kv_cells = 4096;       // tokens that the KV cache holds, of all sequences together
    double kv_bytes_per_value = 2.0;     // f16; q8_0 is 34/32, q4_0 is 18/32
};

// What the model will about take once it is loaded: weights, KV cache, compute buffers and a margin. A guess from the
// header, made before loading; the engine process reports the real figure afterwards.
[[nodiscard]] std::uint64_t estimate_memory(const GgufHeader& header, const MemoryShape& shape);

// KV cache bytes that one token takes, over all layers.
[[nodiscard]] double kv_bytes_per_token(const GgufHeader& header, double bytes_per_value);

// What this machine has: physical memory, or the control group's limit if that is smaller. Bytes.
[[nodiscard]] std::uint64_t usable_memory();

}  // namespace weft
