// Matrix products on AMX tiles. A tile of weights is 16 rows by 32 k as BF16, pairs of k side by side, so that no scale is left
// to apply to a sum: unpacking a strip costs about as much as multiplying it with 90 columns, and is done once for all columns.
#include <asm/prctl.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isa/avx512.h"
#include "isa/isa.h"
#include "isa/plain_pairs.h"
#include "isa/unpack.h"
#include "types/all.h"

namespace weft::kernels {
namespace {

using V = Avx512;
using Floats = V::Floats;

constexpr int64_t tile_bytes = 1024, tile_k = 32;

// Of the block that starts at k0: how many tiles it is long, and the number of a panel's first tile.
int64_t steps_of_block(int64_t k, int64_t k0) { return (k - k0 < tile_block_k ? k - k0 : tile_block_k) / tile_k; }
int64_t tile_of(const TilePanels& panels, int64_t k0, int64_t steps, int64_t panel) {
    return k0 / tile_k * panels.total + panel * steps;
}

// --- weights as BF16 ----------------------------------------------------------------------------------------------------

// 16 pairs of BF16 numbers: (first, second) of each row.
void store_pairs(uint8_t* out, Floats first, Floats second) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
                                           19, 3, 18, 2, 17, 1, 16, 0);
    const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
    _mm512_store_si512(out, _mm512_permutexvar_epi16(order, both));
}

// 4 k of 16 rows: code * scale + shift.
void widen_group(__m512i codes, Floats scale, Floats shift, uint8_t* out) {
    const __m512i byte = _mm512_set1_epi32(255);
    const auto number = [&](__m512i x) { return _mm512_fmadd_ps(_mm512_cvtepi32_ps(x), scale, shift); };
    store_pairs(out, number(_mm512_and_si512(codes, byte)), number(_mm512_and_si512(_mm512_srli_epi32(codes, 8), byte)));
    store_pairs(out + 64, number(_mm512_and_si512(_mm512_srli_epi32(codes, 16), byte)), number(_mm512_srli_epi32(codes, 24)));
}

// Scale and shift of the first and the second 16 k, and where the codes are.
struct Scaling {
    Floats scale[2], shift[2];
    const uint8_t* codes;
};

template <class T>
Scaling scaling_of(const uint8_t* strip, int64_t unit) {
    const uint8_t* block = strip + unit / (T::strip_k / 32) * T::strip_block_bytes;
    const int j = int(unit % (T::strip_k / 32));
    Scaling s;
    s.codes = block + T::header_bytes + T::Codes::bytes * j;
    if constexpr (T::family == Family::block) {
        if constexpr (T::scale == BlockScale::exponent) s.scale[0] = V::load_exponents(block + 16 * j);
        else s.scale[0] = V::load_half(block + 32 * j);
        if constexpr (T::scale == BlockScale::half_and_min) s.shift[0] = V::load_half(block + 64 + 32 * j);
    } else if constexpr (T::family == Family::super_min) {
        s.scale[0] = V::mul(V::load_half(block), V::load_uint8(block + 64 + 16 * j));
        const __m512i pairs = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 192 + 32 * (j / 2))));
        const __m512i min = j % 2 == 0 ? _mm512_and_si512(pairs, _mm512_set1_epi32(255)) : _mm512_srli_epi32(pairs, 8);
        s.shift[0] = V::mul(V::sub(V::zero(), V::load_half(block + 32)), V::to_floats(min));
    } else {
        const Floats d = V::load_half(block);
        s.scale[0] = V::mul(d, V::load_int8(block + 64 + 32 * j));
        s.scale[1] = V::mul(d, V::load_int8(block + 64 + 32 * j + 16));
    }
    if constexpr (T::family != Family::super_signed) s.scale[1] = s.scale[0];
    if constexpr (T::offset != 0)
        for (int half = 0; half < 2; ++half) s.shift[half] = V::mul(V::splat(-float(T::offset)), s.scale[half]);
    else if constexpr (T::activations.kind == PanelKind::block_sum || T::family == Family::super_min) s.shift[1] = s.shift[0];
    else s.shift[0] = s.shift[1] = V::zero();
    return s;
}

// 32 k of a strip, to one tile.
template <class T>
void widen(const uint8_t* strip, int64_t unit, uint8_t* tile) {
    if constexpr (T::family == Family::plain) {
        const uint8_t* from = strip + unit * T::strip_block_bytes;
        UNROLL
        for (int j = 0; j < 32; j += 2) {
            Floats first, second;
            load_plain_pair<V, T>(from, j, first, second);
            store_pairs(tile + 32 * j, first, second);
        }
    } else {
        const Scaling s = scaling_of<T>(strip, unit);
        __m512i w[8];
        Unpack<V>::codes(typename T::Codes{}, s.codes, w);
        UNROLL
        for (int g = 0; g < 8; ++g) widen_group(w[g], s.scale[g / 4], s.shift[g / 4], tile + 128 * g);
    }
}

// --- tiles --------------------------------------------------------------------------------------------------------------
// 0..3: sums of (panel, strip) 00 01 10 11; 4, 5: panels; 6, 7: strips.

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

template <int Panels, int Strips>
void load_sums(const float* sums, int64_t strip_floats, bool fresh) {
    if (fresh) {
        _tile_zero(0);
        if constexpr (Strips > 1) _tile_zero(1);
        if constexpr (Panels > 1) _tile_zero(2);
        if constexpr (Panels > 1 && Strips > 1) _tile_zero(3);
        return;
    }
    _tile_loadd(0, sums, 64);
    if constexpr (Strips > 1) _tile_loadd(1, sums + strip_floats, 64);
    if constexpr (Panels > 1) _tile_loadd(2, sums + 256, 64);
    if constexpr (Panels > 1 && Strips > 1) _tile_loadd(3, sums + strip_floats + 256, 64);
}

// What one block of k adds to the sums of up to two panels and two strips.
struct Corner {
    const uint8_t *panels, *weights;      // of this block of k
    int64_t panel_bytes, weight_bytes;    // from one to the next
    int64_t steps;                        // of 32 k
    float* sums;
    int64_t strip_floats;                 // from one strip's sums to the next's
    bool fresh;                           // nothing has been summed up yet
    float* dst;                           // where the tiles go, if not back to the sums
    int64_t dst_stride;
};

template <int Panels, int Strips>
void store_sums(const Corner& c) {
    float* at = c.dst ? c.dst : c.sums;
    const int64_t column = c.dst ? c.dst_stride : strip_rows, strip = c.dst ? strip_rows : c.strip_floats;
    const int64_t panel = column * panel_columns, bytes = column * int64_t(sizeof(float));
    _tile_stored(0, at, bytes);
    if constexpr (Strips > 1) _tile_stored(1, at + strip, bytes);
    if constexpr (Panels > 1) _tile_stored(2, at + panel, bytes);
    if constexpr (Panels > 1 && Strips > 1) _tile_stored(3, at + strip + panel, bytes);
}

template <int Panels, int Strips>
void multiply_corner(const Corner& c) {
    // Each line lies in a page of its own: waiting for it at the end would take as long as the products.
    if (c.dst)
        for (int i = 0; i < Panels * panel_columns; ++i)
            for (int s = 0; s < Strips; ++s) __builtin_prefetch(c.dst + i * c.dst_stride + s * strip_rows, 1);
    load_sums<Panels, Strips>(c.sums, c.strip_floats, c.fresh);
    const uint8_t *x = c.panels, *w = c.weights;
    for (int64_t i = 0; i < c.steps; ++i, x += tile_bytes, w += tile_bytes) {
        _tile_loadd(6, w, 64);
        _tile_loadd(4, x, 64);
        _tile_dpbf16ps(0, 4, 6);
        if constexpr (Strips > 1) {
            _tile_loadd(7, w + c.weight_bytes, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if constexpr (Panels > 1) {
            _tile_loadd(5, x + c.panel_bytes, 64);
            _tile_dpbf16ps(2, 5, 6);
        }
        if constexpr (Panels > 1 && Strips > 1) _tile_dpbf16ps(3, 5, 7);
    }
    store_sums<Panels, Strips>(c);
}

void multiply_corner(const Corner& c, bool two_panels, bool two_strips) {
    if (two_panels) return two_strips ? multiply_corner<2, 2>(c) : multiply_corner<2, 1>(c);
    return two_strips ? multiply_corner<1, 2>(c) : multiply_corner<1, 1>(c);
}

int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

// Sums of a corner that has fewer columns or rows than its tiles.
void copy_part(const TileProduct& t, int64_t strip, int64_t panel, int64_t strips, int64_t panels) {
    for (int64_t s = strip; s < strip + strips; ++s)
        for (int64_t c = panel * panel_columns; c < lesser((panel + panels) * panel_columns, t.columns); ++c)
            for (int64_t r = s * strip_rows; r < lesser((s + 1) * strip_rows, t.rows); ++r)
                t.dst[c * t.dst_stride + r] = t.sums[(s * t.n_panels * panel_columns + c) * strip_rows + r % strip_rows];
}

// Strips s and (if there are two) s + 1, one block of k, all panels.
template <class T>
void multiply_block(const TileProduct& t, int64_t s, int64_t strips, int64_t k0) {
    constexpr bool as_they_are = T::type == GGML_TYPE_BF16;  // a strip block is a tile
    const int64_t strip_bytes = t.k / T::strip_k * T::strip_block_bytes, strip_floats = t.n_panels * panel_columns * strip_rows;
    const int64_t steps = steps_of_block(t.k, k0);
    const bool last = k0 + tile_block_k >= t.k;
    for (int64_t i = 0; !as_they_are && i < strips; ++i)
        for (int64_t u = 0; u < steps; ++u)
            widen<T>(t.strips + (s + i) * strip_bytes, k0 / tile_k + u, t.weights + (i * steps + u) * tile_bytes);
    for (int64_t p = 0; p < t.n_panels; p += 2) {
        const int64_t panels = lesser(2, t.n_panels - p);
        const bool whole = (p + panels) * panel_columns <= t.columns && (s + strips) * strip_rows <= t.rows;
        const bool straight = last && t.dst && whole;
        multiply_corner({.panels = t.panels.data + tile_of(t.panels, k0, steps, t.first_panel + p) * tile_bytes,
                         .weights = as_they_are ? t.strips + s * strip_bytes + k0 / tile_k * tile_bytes : t.weights,
                         .panel_bytes = steps * tile_bytes,
                         .weight_bytes = as_they_are ? strip_bytes : steps * tile_bytes,
                         .steps = steps,
                         .sums = t.sums + s * strip_floats + p * panel_columns * strip_rows,
                         .strip_floats = strip_floats,
                         .fresh = k0 == 0,
                         .dst = straight ? t.dst + p * panel_columns * t.dst_stride + s * strip_rows : nullptr,
                         .dst_stride = t.dst_stride},
                        panels > 1, strips > 1);
        if (last && t.dst && !whole) copy_part(t, s, p, strips, panels);
    }
}

template <class T>
void multiply(const TileProduct& t) {
    for (int64_t k0 = 0; k0 < t.k; k0 += tile_block_k)
        for (int64_t s = 0; s < t.n_strips; s += 2) multiply_block<T>(t, s, lesser(2, t.n_strips - s), k0);
}

template <class... T>
void multiply_type(const TileProduct& t, TypeList<T...>) {
    ((t.type == T::type ? multiply<T>(t) : void()), ...);
}

void multiply_any(const TileProduct& t) {
    static constexpr TileConfig config;
    _tile_loadconfig(&config);
    multiply_type(t, AllTypes{});
    _tile_release();
}

void round_panel(const float* x, int64_t stride, int64_t k, int columns, const TilePanels& panels, int64_t panel) {
    for (int64_t k0 = 0; k0 < k; k0 += tile_block_k) {
        const int64_t steps = steps_of_block(k, k0);
        uint8_t* out = panels.data + tile_of(panels, k0, steps, panel) * tile_bytes;
        for (int c = 0; c < panel_columns; ++c)
            for (int64_t i = 0; i < steps; ++i) {
                const float* from = x + c * stride + k0 + i * tile_k;
                const __m512i both = c < columns ? reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(V::load(from + 16), V::load(from)))
                                                 : _mm512_setzero_si512();
                _mm512_store_si512(out + i * tile_bytes + 64 * c, both);
            }
    }
}

}  // namespace

bool amx_runs_here() {
    constexpr int request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const bool granted = __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
                                __builtin_cpu_supports("avx512bf16") &&
                                syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    return granted;
}

const Tiles amx_tiles = {.round_panel = round_panel, .multiply = multiply_any};

}  // namespace weft::kernels
