#include "plugin/self_test.h"

#include <cmath>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace weft::kernels {
namespace {

constexpr int64_t test_k = tile_block_k + 256;  // a whole block of tiles and a part of one
constexpr double tolerance = 0.02;  // of 8-bit activations, relative to the whole result

// A sequence without a library behind it: the same everywhere.
class Noise {
  public:
    float next() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return float(int32_t(state_ >> 32)) / float(1u << 31);
    }

  private:
    uint64_t state_ = 7;
};

struct Freed {
    void operator()(void* p) const { std::free(p); }
};
template <class T>
using Aligned = std::unique_ptr<T, Freed>;

template <class T>
Aligned<T> aligned(size_t n) {
    return Aligned<T>(static_cast<T*>(std::aligned_alloc(64, (n * sizeof(T) + 63) / 64 * 64)));
}

bool close(double error, double power) { return std::isfinite(error) && error <= tolerance * tolerance * power; }

// Of one strip with one panel, by plain loops, and the activations that it was computed from.
struct Expected {
    std::vector<float> x;
    std::vector<double> product;

    Expected(const std::vector<float>& weights, std::vector<float> activations) : x(std::move(activations)) {
        for (int c = 0; c < panel_columns; ++c)
            for (int r = 0; r < strip_rows; ++r) {
                double sum = 0;
                for (int64_t i = 0; i < test_k; ++i) sum += double(weights[r * test_k + i]) * x[c * test_k + i];
                product.push_back(sum);
            }
    }
    // Of the first columns.
    [[nodiscard]] bool agrees(const float* out, int columns) const {
        double error = 0, power = 0;
        for (int i = 0; i < columns * strip_rows; ++i) error += std::pow(product[i] - out[i], 2), power += product[i] * product[i];
        return close(error, power);
    }
};

bool multiplies_well_on_tiles(const Tiles& tiles, const Format& f, const uint8_t* strip, const Expected& expected) {
    const auto panel = aligned<uint8_t>(tile_panel_bytes(test_k)), scratch = aligned<uint8_t>(tile_weight_bytes);
    const auto sums = aligned<float>(panel_columns * strip_rows);
    const TilePanels panels{.data = panel.get(), .total = 1};
    tiles.round_panel(expected.x.data(), test_k, test_k, panel_columns, panels, 0);
    tiles.multiply({.type = f.type, .strips = strip, .n_strips = 1, .k = test_k, .panels = panels, .first_panel = 0, .n_panels = 1,
                    .sums = sums.get(), .weights = scratch.get(), .dst = nullptr, .dst_stride = 0, .columns = panel_columns,
                    .rows = strip_rows});
    return expected.agrees(sums.get(), panel_columns);
}

bool multiplies_columns_well(const Isa& isa, const Format& f, int columns, const uint8_t* strip, const Expected& expected) {
    const auto panel = aligned<uint8_t>(column_bytes(f.activations.kind, test_k) * size_t(columns));
    const auto out = aligned<float>(size_t(columns) * strip_rows);
    const StripKernel kernel = isa.strip_kernel(f.type, columns);
    if (!kernel) return false;
    isa.quantise_panel(f.activations, expected.x.data(), test_k, test_k, columns, panel.get());
    kernel(strip, panel.get(), test_k, out.get(), strip_rows);
    return expected.agrees(out.get(), columns);
}

bool multiplies_well(const Isa& isa, const Format& f) {
    std::vector<float> w(test_k * strip_rows), x(test_k * panel_columns), back(w.size());
    Noise noise;
    for (float& v : w) v = noise.next();
    for (float& v : x) v = noise.next();
    std::vector<uint8_t> file(f.row_bytes(test_k) * strip_rows), again(file.size());
    ggml_quantize_chunk(f.type, w.data(), file.data(), 0, strip_rows, test_k, nullptr);
    to_floats(f.type, file.data(), back.data(), test_k * strip_rows);
    const auto strip = aligned<uint8_t>(f.packed_bytes(test_k, strip_rows) + 4096);
    pack_rows(f, test_k, strip_rows, file.data(), strip.get());
    unpack_rows(f, test_k, strip_rows, strip.get(), again.data());
    if (file != again) return false;
    const Expected expected(back, std::move(x));
    for (const int columns : {1, 3, panel_columns})
        if (!multiplies_columns_well(isa, f, columns, strip.get(), expected)) return false;
    return !isa.tiles || multiplies_well_on_tiles(*isa.tiles, f, strip.get(), expected);
}

// Tokens that share most cells, or none, with some heads on one KV head.
template <int size, int tokens, int group>
bool attends_well(const Isa& isa, bool shared) {
    constexpr int cells = 96;
    Noise noise;
    std::vector<float> q(tokens * group * size), k(cells * size), v(cells * size), out(q.size());
    std::vector<ggml_fp16_t> k_half(k.size()), v_half(v.size()), mask(tokens * cells);
    for (float& x : q) x = 2 * noise.next();
    for (size_t i = 0; i < k.size(); ++i) {
        k_half[i] = ggml_fp32_to_fp16(noise.next()), v_half[i] = ggml_fp32_to_fp16(noise.next());
        k[i] = ggml_fp16_to_fp32(k_half[i]), v[i] = ggml_fp16_to_fp32(v_half[i]);
    }
    const auto sees = [&](int t, int c) { return shared ? c < cells - tokens + t : c % tokens == t; };
    for (int t = 0; t < tokens; ++t)
        for (int c = 0; c < cells; ++c) mask[t * cells + c] = ggml_fp32_to_fp16(sees(t, c) ? 0 : -INFINITY);
    const auto lists = aligned<float>(2 * (cells + AttentionScratch::slack));
    const AttentionScratch scratch{.cells = reinterpret_cast<int32_t*>(lists.get()),
                                   .values = lists.get() + cells + AttentionScratch::slack};
    const AttentionJob job{.q = reinterpret_cast<char*>(q.data()), .k = reinterpret_cast<char*>(k_half.data()),
                           .v = reinterpret_cast<char*>(v_half.data()), .mask = reinterpret_cast<char*>(mask.data()),
                           .out = reinterpret_cast<char*>(out.data()),
                           .q_token = group * size * 4, .q_head = size * 4,
                           .k_cell = size * 2, .k_head = 0, .v_cell = size * 2, .v_head = 0, .mask_token = cells * 2,
                           .out_token = group * size * 4, .out_head = size * 4,
                           .tokens = tokens, .cells = cells, .kv_heads = 1, .group = group, .size = size,
                           .k_type = KvType::f16, .v_type = KvType::f16, .scale = 0.125f, .soft_cap = 0};
    isa.attend(job, 0, tokens * group, 0, 0, false, scratch);
    double error = 0, power = 0;
    for (int row = 0; row < tokens * group; ++row) {
        double sum = 0, want[size] = {};
        for (int c = 0; c < cells; ++c) {
            if (!sees(row / group, c)) continue;
            double score = 0;
            for (int d = 0; d < size; ++d) score += double(q[row * size + d]) * k[c * size + d];
            const double weight = std::exp(score * 0.125);
            sum += weight;
            for (int d = 0; d < size; ++d) want[d] += weight * v[c * size + d];
        }
        for (int d = 0; d < size; ++d) {
            error += std::pow(want[d] / sum - out[row * size + d], 2);
            power += std::pow(want[d] / sum, 2);
        }
    }
    return close(error, power);
}

}  // namespace

const char* self_test(const Isa& isa) {
    for (const Format& f : all_formats())
        if (!multiplies_well(isa, f)) return "a matrix product in the self-test came out wrong";
    for (const bool shared : {false, true})
        if (!attends_well<64, 8, 2>(isa, shared) || !attends_well<64, 20, 3>(isa, shared) || !attends_well<128, 12, 4>(isa, shared)) return "an attention in the self-test came out wrong";
    return nullptr;
}

}  // namespace weft::kernels
