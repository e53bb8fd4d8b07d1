// One instruction set's kernels behind function pointers. Each is compiled with its own flags in its own file; which one runs
// is decided once, when the library is loaded.
#pragma once

#include <cstdint>
#include <span>

#include "layout/activations.h"
#include "layout/format.h"
#include "ops/attention_job.h"

namespace weft::kernels {

// Multiplies one strip of weights (16 rows) with one panel of activations.
// dst[c * dst_stride + r], r in 0..15, c in 0..columns-1, is overwritten.
using StripKernel = void (*)(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t dst_stride);

struct Isa {
    const char* name;
    bool (*runs_here)();
    // columns in 1..panel_columns. Null when there is no kernel for the type.
    StripKernel (*strip_kernel)(ggml_type type, int columns);
    // Quantises `columns` rows of x (k floats each, `stride` floats apart) into one panel.
    void (*quantise_panel)(Activations kind, const float* x, int64_t stride, int64_t k, int columns, uint8_t* panel);
    // Rows first_row .. first_row + 15 of KV heads first_head .. last_head. row_by_row: no row's result depends on the others.
    void (*attend)(const AttentionJob& job, int64_t first_row, int64_t first_head, int64_t last_head, bool row_by_row,
                   const AttentionScratch& scratch);
};

extern const Isa avx512vnni, avxvnni, avx2;

// The best that this processor runs; null when it runs none, or when WEFT_KERNELS_ISA names none of them.
const Isa* chosen_isa();
// All that this processor runs, best first.
std::span<const Isa* const> usable_isas();

}  // namespace weft::kernels
