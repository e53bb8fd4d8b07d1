// One instruction set's kernels behind function pointers. Each is compiled with its own flags in its own file; which one runs
// is decided once, when the library is loaded.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "layout/activations.h"
#include "layout/format.h"
#include "ops/attention_job.h"

namespace weft::kernels {

// Multiplies one strip of weights (16 rows) with one panel of activations.
// dst[c * dst_stride + r], r in 0..15, c in 0..columns-1, is overwritten.
using StripKernel = void (*)(const uint8_t* strip, const uint8_t* panel, int64_t k, float* dst, int64_t dst_stride);

// Activations for tiles: block after block of tile_block_k; in a block panel after panel of 16 columns, in a panel a tile of
// 1 KiB for every 32 k. What a block needs lies together: panels a power of two apart would share a few cache sets.
struct TilePanels {
    uint8_t* data;     // 64-byte aligned
    int64_t total;     // panels in all
};

// Some strips times some panels.
struct TileProduct {
    ggml_type type;
    const uint8_t* strips;
    int64_t n_strips, k;
    TilePanels panels;
    int64_t first_panel, n_panels;
    // [strip][panel][column][row] of the product, and the memory for two strips' weights: tile_weight_bytes. 64-byte aligned.
    float* sums;
    uint8_t* weights;
    // Where the product goes, or null if `sums` is all that is wanted: dst[column * stride + row]; so many columns and rows
    // are valid.
    float* dst;
    int64_t dst_stride, columns, rows;
};

// Many columns at once on AMX tiles: weights and activations rounded to BF16, sums in f32.
struct Tiles {
    // Rounds up to 16 rows of x (k floats each, `stride` floats apart) into a panel. Columns that are missing become zeros.
    void (*round_panel)(const float* x, int64_t stride, int64_t k, int columns, const TilePanels& panels, int64_t panel);
    void (*multiply)(const TileProduct& product);
};
// From so many columns on tiles are faster than strip kernels.
inline constexpr int64_t least_tile_columns = 32;
// k that pass through the tiles at once, and the memory for two strips of so many weights as BF16: a third of L1.
inline constexpr int64_t tile_block_k = 512;
inline constexpr size_t tile_weight_bytes = size_t(2) * strip_rows * tile_block_k * 2;
constexpr size_t tile_panel_bytes(int64_t k) { return size_t(panel_columns * k) * 2; }

enum class Combination : uint8_t { add, sub, mul, div };
enum class Activation : uint8_t { silu, gelu, gelu_quick, sigmoid, tanh, relu };

// Rows of n floats. `out` may be the row that is read.
struct RowKernels {
    void (*rms_norm)(const float* x, int64_t n, float eps, float* out);
    void (*layer_norm)(const float* x, int64_t n, float eps, float* out);
    void (*combine)(Combination how, const float* a, const float* b, bool one_number, int64_t n, float* out);  // b: n numbers or one
    void (*scale)(const float* x, int64_t n, float factor, float offset, float* out);
    float (*sum)(const float* x, int64_t n);
    void (*activate)(Activation kind, const float* x, int64_t n, float* out);
    void (*gate)(Activation kind, const float* gate, const float* up, int64_t n, float* out);
    // min(gate, limit) * sigmoid(alpha * the same) * (1 + up within +-limit)
    void (*gate_bounded)(float alpha, float limit, const float* gate, const float* up, int64_t n, float* out);
    void (*softmax)(const float* x, int64_t n, float* out);
    // out[i] = x[i] * factors[i] + (the other of the pair) * factors[dims + i]. A pair is (i, i + 1), or (i, i + dims / 2).
    void (*rotate)(bool halves, const float* x, const float* factors, int64_t dims, float* out);
    void (*to_halves)(const float* x, int64_t n, void* out);
    void (*to_q8_0)(const float* x, int64_t n, void* out);  // n: a multiple of 32
};

struct Isa {
    const char* name;
    bool (*runs_here)();
    // columns in 1..panel_columns. Null when there is no kernel for the type.
    StripKernel (*strip_kernel)(ggml_type type, int columns);
    // Quantises `columns` rows of x (k floats each, `stride` floats apart) into one panel.
    void (*quantise_panel)(Activations kind, const float* x, int64_t stride, int64_t k, int columns, uint8_t* panel);
    // Rows first_row .. end_row - 1, attention_rows at most, of KV heads first_head .. last_head. row_by_row: no row's result
    // depends on the others.
    void (*attend)(const AttentionJob& job, int64_t first_row, int64_t end_row, int64_t first_head, int64_t last_head, bool row_by_row,
                   const AttentionScratch& scratch);
    const RowKernels* rows;
    const Tiles* tiles = nullptr;
};

extern const Isa avx512vnni, avxvnni, avx2;
const Isa& avx512bf16();  // avx512vnni with other kernels for BF16
extern const Tiles amx_tiles;
// Asks the kernel for the tiles, once: a process may use them only after that.
bool amx_runs_here();

// The best that this processor runs, of that name if there is one, without tiles if so; null when it runs none of them.
const Isa* best_isa(std::string_view name, bool with_tiles);
// All that this processor runs, best first.
std::span<const Isa* const> usable_isas();

}  // namespace weft::kernels
