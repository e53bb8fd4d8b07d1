// dst = weights * activations, shared out among the threads of a team.
#pragma once

#include <atomic>
#include <cstdint>

#include "isa/isa.h"
#include "ops/team.h"

namespace weft::kernels {

struct MulMat {
    const Format* format;
    const uint8_t* strips;
    int64_t k, rows, columns;
    const float* x;       // [columns][x_stride]
    int64_t x_stride;
    float* dst;           // [columns][dst_stride]
    int64_t dst_stride;
    bool tiles = false;   // on the Isa's tiles; no row's result is then the same as on its own

    [[nodiscard]] int64_t panels() const { return (columns + panel_columns - 1) / panel_columns; }
    // Bytes of the rounded activations.
    [[nodiscard]] size_t panel_bytes() const {
        if (tiles) return tile_panel_bytes(k) * size_t(panels());
        return column_bytes(format->activations.kind, k) * size_t(columns);
    }
    // Each thread's own.
    [[nodiscard]] size_t scratch_bytes() const;
};

// The two halves of the work. All threads of the team call both, with a barrier between them and after the second.
// `panels` is 64-byte aligned and shared, `scratch` the thread's own; next_unit must be 0 when the second starts.
void quantise_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels);
void multiply_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels,
                    std::atomic<int64_t>& next_unit, uint8_t* scratch);

}  // namespace weft::kernels
