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
    kernel(job.strips + s * job.format->strip_bytes(job.k), panel, job.packed_k(), tile, strip_rows);
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

void multiply_on_tiles(const Isa& isa, const MulMat& job, int64_t begin, int64_t end, const uint8_t* panels, uint8_t* scratch) {
    for (int64_t p = 0; p < job.panels(); p += tile_panels)
        isa.tiles->multiply({.type = job.format->type,
                             .strips = job.strips + begin * int64_t(job.format->strip_bytes(job.k)),
                             .n_strips = end - begin,
                             .k = job.packed_k(),
                             .panels = {const_cast<uint8_t*>(panels), job.panels()},
                             .first_panel = p,
                             .n_panels = std::min(tile_panels, job.panels() - p),
                             .sums = reinterpret_cast<float*>(scratch + tile_weight_bytes),
                             .weights = scratch,
                             .dst = job.dst + p * panel_columns * job.dst_stride + begin * strip_rows,
                             .dst_stride = job.dst_stride,
                             .columns = job.columns - p * panel_columns,
                             .rows = job.rows - begin * strip_rows});
}

int64_t strips_per_unit(const MulMat& job, int threads) {
    return job.tiles ? tile_strips_at_once(job, threads) : strips_per_chunk(job, threads);
}

size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

// --- scratch memory: own panels or what tiles need, then rows that are filled up ----------------------------------------

size_t product_scratch_bytes(const MulMat& job) {
    if (job.tiles) return tile_weight_bytes + size_t(tile_strips * std::min(job.panels(), tile_panels)) * tile_sum_bytes;
    return job.own_panels() ? rounded(job.panel_bytes()) : 0;
}

// A panel's rows, filled up with zeros to whole strip blocks where they need it.
struct PanelRows {
    const float* x;
    int64_t stride;
};

PanelRows rows_of(const MulMat& job, int64_t first, int columns, uint8_t* scratch) {
    const float* x = job.x + first * job.x_stride;
    if (job.packed_k() == job.k) return {x, job.x_stride};
    auto* filled = reinterpret_cast<float*>(scratch + product_scratch_bytes(job));
    for (int c = 0; c < columns; ++c) {
        float* row = filled + c * job.packed_k();
        std::fill(std::copy_n(x + c * job.x_stride, job.k, row), row + job.packed_k(), 0.0f);
    }
    return {filled, job.packed_k()};
}

}  // namespace

size_t MulMat::panel_bytes() const {
    if (tiles) return tile_panel_bytes(packed_k()) * size_t(panels());
    return column_bytes(format->activations.kind, packed_k()) * size_t(columns);
}

size_t MulMat::scratch_bytes() const {
    const bool fills = packed_k() != k;
    return product_scratch_bytes(*this) + (fills ? size_t(panel_columns * packed_k()) * sizeof(float) : 0);
}

void quantise_panel(const Isa& isa, const MulMat& job, int64_t panel, uint8_t* panels, uint8_t* scratch) {
    const Activations kind = job.format->activations;
    const int64_t first = panel * panel_columns, k = job.packed_k();
    const int columns = int(std::min<int64_t>(panel_columns, job.columns - first));
    const auto [x, stride] = rows_of(job, first, columns, scratch);
    if (job.tiles) isa.tiles->round_panel(x, stride, k, columns, {panels, job.panels()}, panel);
    else isa.quantise_panel(kind, x, stride, k, columns, panels + first * column_bytes(kind.kind, k));
}

int64_t product_units(const MulMat& job, int threads) {
    const int64_t at_once = strips_per_unit(job, threads);
    return (strips_of(job.rows) + at_once - 1) / at_once;
}

void multiply(const Isa& isa, const MulMat& job, int64_t unit, int threads, const uint8_t* panels, uint8_t* scratch) {
    const int64_t at_once = strips_per_unit(job, threads), begin = unit * at_once, end = std::min(begin + at_once, strips_of(job.rows));
    if (job.tiles) return multiply_on_tiles(isa, job, begin, end, panels, scratch);
    const int64_t k = job.packed_k();
    const size_t column = column_bytes(job.format->activations.kind, k), strip = job.format->strip_bytes(k);
    for (int64_t c = 0; c < job.columns; c += panel_columns) {
        const int64_t columns = std::min<int64_t>(panel_columns, job.columns - c);
        const StripKernel kernel = isa.strip_kernel(job.format->type, int(columns));
        const uint8_t* panel = panels + c * column;
        for (int64_t s = begin; s < end; ++s) {
            float* dst = job.dst + c * job.dst_stride + s * strip_rows;
            if (job.rows - s * strip_rows >= strip_rows) kernel(job.strips + s * strip, panel, k, dst, job.dst_stride);
            else last_strip(kernel, job, s, panel, columns, dst);
        }
    }
}

}  // namespace weft::kernels
