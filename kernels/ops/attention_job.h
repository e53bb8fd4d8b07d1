// One FLASH_ATTN_EXT node in words of its own, as the kernels read it.
#pragma once

#include <cstdint>

namespace weft::kernels {

enum class KvType : uint8_t { f16, q8_0 };

// How many rows Isa::attend() computes in one call at most.
inline constexpr int attention_rows = 64;

// One (token, query head) pair is a row. Query heads h * group .. h * group + group - 1 share KV head h.
struct AttentionJob {
    const char *q, *k, *v, *mask;           // f32, KvType, KvType, f16 or null
    char* out;                              // f32
    int64_t q_token, q_head;                // strides in bytes
    int64_t k_cell, k_head, v_cell, v_head;
    int64_t mask_token;
    int64_t out_token, out_head;
    int64_t tokens, cells, kv_heads, group;
    int size;                               // of a head
    KvType k_type, v_type;
    float scale, soft_cap;                  // soft_cap 0: none
    const float* sinks = nullptr;           // of each query head the score of a cell that has no value; null: none
    // Only cells first_cell (a multiple of 32) .. cells - 1 are looked at. With `partial`, rows go there, not to `out`, one
    // after the other for each KV head: sums of weighted values, then the highest score and the sum of the weights.
    int64_t first_cell = 0;
    float* partial = nullptr;

    // The weight of a row's sink, where the row's highest score has weight 1; a row that sees nothing has an infinite one.
    [[nodiscard]] float sink_weight(int64_t row, int64_t kv_head, float highest) const {
        return sinks ? __builtin_expf(sinks[kv_head * group + row % group] - highest) : 0;
    }
    [[nodiscard]] int64_t rows() const { return tokens * group; }
    [[nodiscard]] int64_t partial_floats() const { return size + 2; }  // of a row
    [[nodiscard]] float* partial_of(int64_t row, int64_t kv_head) const { return partial + (kv_head * rows() + row) * partial_floats(); }
};

// What one thread needs while it computes: visible cells and their mask values.
struct AttentionScratch {
    int32_t* cells;
    float* values;
    // Entries of each list: all cells, and room for a whole register past the end.
    static constexpr int64_t slack = 64;
};

}  // namespace weft::kernels
