// FLASH_ATTN_EXT: softmax attention over an f16 or q8_0 KV cache, cells that the mask rules out are never touched.
#pragma once

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

// The work of a node for so many threads, and one unit of it. `scratch` is the thread's own, `shared` is shared; both are 64-byte
// aligned.
int64_t attention_units(const ggml_tensor* op, bool row_by_row, int threads);
void attend(const Isa& isa, const ggml_tensor* op, bool row_by_row, int threads, int64_t unit, float* shared, uint8_t* scratch);

// With attention_shared_bytes(), when all units are done: part of the rows, out of their parts.
void join_attention(const ggml_tensor* op, bool row_by_row, int threads, Part part, float* shared);

}  // namespace weft::kernels
