// dst = weights * activations, shared out among the threads of a team.
#pragma once

#include <atomic>
#include <cstdint>

#include "isa/isa.h"
#include "ops/team.h"

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
    // Each thread's own.
    [[nodiscard]] size_t scratch_bytes() const;
};

// The two halves of the work. All threads of the team call both, with a barrier after the second and, unless own_panels(),
// between them. `panels` is 64-byte aligned and shared (of no use with own_panels()), `scratch` the thread's own; next_unit must
// be 0 when the second starts.
void quantise_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels, uint8_t* scratch);
void multiply_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels,
                    std::atomic<int64_t>& next_unit, uint8_t* scratch);

}  // namespace weft::kernels
