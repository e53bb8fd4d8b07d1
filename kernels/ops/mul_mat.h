// dst = weights * activations, shared out among the threads of a team.
#pragma once

#include <cstdint>

#include "isa/isa.h"

namespace weft::kernels {

// Activations that are so few are rounded by every thread for itself: that costs less than to meet. Columns times k.
inline constexpr int64_t most_own_numbers = 16384;

struct MulMat {
    const Format* format;
    const uint8_t* strips;
    int64_t k, rows, columns;
    const float* x;       // [columns][x_stride]
    int64_t x_stride;
    float* dst;           // [columns][dst_stride]
    int64_t dst_stride;
    bool tiles = false;   // on the Isa's tiles; no row's result is then the same as on its own

    [[nodiscard]] int64_t packed_k() const { return format->packed_k(k); }
    [[nodiscard]] int64_t panels() const { return (columns + panel_columns - 1) / panel_columns; }
    // Whether each thread has the panels in its scratch memory.
    [[nodiscard]] bool own_panels() const { return !tiles && panels() == 1 && columns * k <= most_own_numbers; }
    // Bytes of the rounded activations.
    [[nodiscard]] size_t panel_bytes() const;
    // Each thread's own, own panels included.
    [[nodiscard]] size_t scratch_bytes() const;
};

// Rounds panel `panel` of job.panels(). `panels` is where all of them go: 64-byte aligned, job.panel_bytes(); the thread's own memory
// or shared.
void quantise_panel(const Isa& isa, const MulMat& job, int64_t panel, uint8_t* panels, uint8_t* scratch);

// The work of a product whose panels are there, for so many threads, and one unit of it. `scratch` is the thread's own, 64-byte
// aligned; with own_panels(), so are the panels, at its beginning.
int64_t product_units(const MulMat& job, int threads);
void multiply(const Isa& isa, const MulMat& job, int64_t unit, int threads, const uint8_t* panels, uint8_t* scratch);

}  // namespace weft::kernels
