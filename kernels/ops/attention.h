// FLASH_ATTN_EXT: softmax attention over an f16 or q8_0 KV cache, cells that the mask rules out are never touched.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ggml.h>

#include "isa/isa.h"
#include "ops/team.h"

namespace weft::kernels {

// True for the FLASH_ATTN_EXT nodes that attend() computes.
bool attention_supported(const ggml_tensor* op);

// Bytes of scratch memory that each thread needs, a multiple of 64.
size_t attention_scratch_bytes(const ggml_tensor* op);

// Bytes of memory that all threads share, for a context that is cut into parts.
size_t attention_shared_bytes(const ggml_tensor* op, bool row_by_row, int threads);

// All threads of a team call this; `next_unit` starts at 0. `scratch` is the thread's own; both are 64-byte aligned.
void attend(const Isa& isa, const ggml_tensor* op, bool row_by_row, const Member& member, std::atomic<int64_t>& next_unit,
            float* shared, uint8_t* scratch);

}  // namespace weft::kernels
