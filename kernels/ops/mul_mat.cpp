#include "ops/mul_mat.h"

#include <algorithm>

namespace weft::kernels {
namespace {

// A chunk of strips stays in one core's L2 while every panel passes over it.
constexpr int64_t chunk_bytes = 512 * 1024;
constexpr int64_t chunks_per_thread = 4;

int64_t strips_per_chunk(const MulMat& job, int threads) {
    const int64_t strips = strips_of(job.rows);
    const int64_t fit = std::max<int64_t>(1, chunk_bytes / int64_t(job.format->strip_bytes(job.k)));
    const int64_t fair = std::max<int64_t>(1, strips / (threads * chunks_per_thread));
    return std::min(fit, fair);
}

// Fewer than 16 rows are left: the kernel writes 16 to a stand-in.
void last_strip(StripKernel kernel, const MulMat& job, int64_t s, const uint8_t* panel, int64_t columns, float* dst) {
    float tile[panel_columns * strip_rows];
    kernel(job.strips + s * job.format->strip_bytes(job.k), panel, job.k, tile, strip_rows);
    const int64_t rows = job.rows - s * strip_rows;
    for (int64_t c = 0; c < columns; ++c) std::copy_n(tile + c * strip_rows, rows, dst + c * job.dst_stride);
}

// --- on tiles ---------------------------------------------------------------------------------------------------------

constexpr int64_t tile_strips = 8, tile_panels = 32;  // whose sums stay in L2 at once
constexpr size_t tile_sum_bytes = sizeof(float) * panel_columns * strip_rows;

int64_t tile_strips_at_once(const MulMat& job, int threads) {
    const int64_t fair = strips_of(job.rows) / (threads * chunks_per_thread) / 2 * 2;
    return std::clamp<int64_t>(fair, 2, tile_strips);
}

void multiply_on_tiles(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels,
                       std::atomic<int64_t>& next_unit, uint8_t* scratch) {
    const int64_t strips = strips_of(job.rows), at_once = tile_strips_at_once(job, member.threads);
    auto* sums = reinterpret_cast<float*>(scratch + tile_weight_bytes);
    for (;;) {
        const int64_t begin = next_unit.fetch_add(at_once, std::memory_order_relaxed);
        if (begin >= strips) return;
        const int64_t n = std::min(at_once, strips - begin);
        for (int64_t p = 0; p < job.panels(); p += tile_panels) {
            const int64_t n_panels = std::min(tile_panels, job.panels() - p);
            isa.tiles->multiply({.type = job.format->type,
                                 .strips = job.strips + begin * int64_t(job.format->strip_bytes(job.k)),
                                 .n_strips = n,
                                 .k = job.k,
                                 .panels = {panels, job.panels()},
                                 .first_panel = p,
                                 .n_panels = n_panels,
                                 .sums = sums,
                                 .weights = scratch,
                                 .dst = job.dst + p * panel_columns * job.dst_stride + begin * strip_rows,
                                 .dst_stride = job.dst_stride,
                                 .columns = job.columns - p * panel_columns,
                                 .rows = job.rows - begin * strip_rows});
        }
    }
}

}  // namespace

void quantise_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels) {
    const Activations kind = job.format->activations;
    for (int64_t p = member.thread; p < job.panels(); p += member.threads) {
        const int64_t first = p * panel_columns;
        const float* x = job.x + first * job.x_stride;
        const int columns = int(std::min<int64_t>(panel_columns, job.columns - first));
        if (job.tiles) isa.tiles->round_panel(x, job.x_stride, job.k, columns, {panels, job.panels()}, p);
        else isa.quantise_panel(kind, x, job.x_stride, job.k, columns, panels + first * column_bytes(kind.kind, job.k));
    }
}

size_t MulMat::scratch_bytes() const {
    return tiles ? tile_weight_bytes + size_t(tile_strips * std::min(panels(), tile_panels)) * tile_sum_bytes : 0;
}

void multiply_share(const Isa& isa, const MulMat& job, const Member& member, uint8_t* panels,
                    std::atomic<int64_t>& next_unit, uint8_t* scratch) {
    if (job.tiles) return multiply_on_tiles(isa, job, member, panels, next_unit, scratch);
    const size_t column = column_bytes(job.format->activations.kind, job.k), strip = job.format->strip_bytes(job.k);
    const int64_t strips = strips_of(job.rows), chunk = strips_per_chunk(job, member.threads);
    const int tail = int(job.columns % panel_columns);
    const StripKernel full_kernel = isa.strip_kernel(job.format->type, panel_columns);
    const StripKernel tail_kernel = tail ? isa.strip_kernel(job.format->type, tail) : nullptr;
    for (;;) {
        const int64_t begin = next_unit.fetch_add(chunk, std::memory_order_relaxed);
        if (begin >= strips) return;
        const int64_t end = std::min(begin + chunk, strips);
        for (int64_t c = 0; c < job.columns; c += panel_columns) {
            const int64_t columns = std::min<int64_t>(panel_columns, job.columns - c);
            const StripKernel kernel = columns < panel_columns ? tail_kernel : full_kernel;
            const uint8_t* panel = panels + c * column;
            for (int64_t s = begin; s < end; ++s) {
                float* dst = job.dst + c * job.dst_stride + s * strip_rows;
                if (job.rows - s * strip_rows >= strip_rows)
                    kernel(job.strips + s * strip, panel, job.k, dst, job.dst_stride);
                else
                    last_strip(kernel, job, s, panel, columns, dst);
            }
        }
    }
}

}  // namespace weft::kernels
