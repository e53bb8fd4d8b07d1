#include "plugin/self_test.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "ops/row_ops.h"

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

struct FreeContext {
    void operator()(ggml_context* c) const { ggml_free(c); }
};

// Ops on rows, on nodes that ggml itself makes: where it keeps their parameters is tested as well.
class RowTest {
  public:
    explicit RowTest(const Isa& isa)
        : isa_(isa), context_(ggml_init({.mem_size = 512 * 1024, .mem_buffer = nullptr, .no_alloc = false})) {
        for (ggml_tensor** t : {&x_, &y_}) {
            *t = ggml_new_tensor_2d(c(), GGML_TYPE_F32, n, rows);
            for (int64_t i = 0; i < n * rows; ++i) static_cast<float*>((*t)->data)[i] = 3 * noise_.next();
        }
    }

    [[nodiscard]] bool all_well() { return context_ && simple_ones_well() && gates_well() && rotations_well() && writes_well(); }

  private:
    static constexpr int64_t n = 48, rows = 3;

    [[nodiscard]] ggml_context* c() const { return context_.get(); }
    [[nodiscard]] double x(int64_t r, int64_t i) const { return static_cast<float*>(x_->data)[r * n + i]; }
    [[nodiscard]] double y(int64_t r, int64_t i) const { return static_cast<float*>(y_->data)[r * n + i]; }
    static double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

    // Whether the node comes to want(row, i), for row_size numbers in a row.
    template <class F>
    bool is(ggml_tensor* node, int64_t row_size, F want) {
        if (!row_op_supported(node)) return false;
        // The memory may hold what an earlier test computed there.
        std::fill_n(static_cast<float*>(node->data), rows * row_size, NAN);
        std::vector<float> rotations(node->op == GGML_OP_ROPE ? rotation_floats(node) : 0);
        if (!rotations.empty()) make_rotations(node, {.index = 0, .count = 1}, rotations.data());
        row_op_part(isa_, node, {.index = 0, .count = 1}, rotations.data());
        double error = 0, power = 0;
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t i = 0; i < row_size; ++i) {
                const double wanted = want(r, i);
                error += std::pow(static_cast<float*>(node->data)[r * row_size + i] - wanted, 2), power += wanted * wanted;
            }
        return std::isfinite(error) && error <= 1e-8 * power;
    }

    template <class F>
    [[nodiscard]] double mean(int64_t r, F f) const {
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += f(x(r, i));
        return sum / n;
    }

    bool simple_ones_well() {
        const auto square_mean = [&](int64_t r) { return mean(r, [](double v) { return v * v; }); };
        const auto all = [&](int64_t r) { return n * mean(r, [](double v) { return std::exp(v); }); };
        return is(ggml_rms_norm(c(), x_, 0.5f), n, [&](int64_t r, int64_t i) { return x(r, i) / std::sqrt(square_mean(r) + 0.5); }) &&
               is(ggml_norm(c(), x_, 0.5f), n, [&](int64_t r, int64_t i) {
                   const double middle = mean(r, [](double v) { return v; });
                   return (x(r, i) - middle) / std::sqrt(square_mean(r) - middle * middle + 0.5);
               }) &&
               is(ggml_scale_bias(c(), x_, 2, 3), n, [&](int64_t r, int64_t i) { return 2 * x(r, i) + 3; }) &&
               is(ggml_clamp(c(), x_, -1, 2), n, [&](int64_t r, int64_t i) { return std::min(std::max(x(r, i), -1.0), 2.0); }) &&
               is(ggml_add(c(), x_, y_), n, [&](int64_t r, int64_t i) { return x(r, i) + y(r, i); }) &&
               is(ggml_sub(c(), x_, y_), n, [&](int64_t r, int64_t i) { return x(r, i) - y(r, i); }) &&
               is(ggml_mul(c(), x_, ggml_view_1d(c(), y_, n, 0)), n, [&](int64_t r, int64_t i) { return x(r, i) * y(0, i); }) &&
               is(ggml_div(c(), x_, ggml_view_1d(c(), y_, 1, 0)), n, [&](int64_t r, int64_t i) { return x(r, i) / y(0, 0); }) &&
               is(ggml_sum_rows(c(), x_), 1, [&](int64_t r, int64_t) { return n * mean(r, [](double v) { return v; }); }) &&
               is(ggml_soft_max(c(), x_), n, [&](int64_t r, int64_t i) { return std::exp(x(r, i)) / all(r); });
    }

    bool gates_well() {
        constexpr int64_t half = n / 2;
        return is(ggml_silu(c(), x_), n, [&](int64_t r, int64_t i) { return x(r, i) * sigmoid(x(r, i)); }) &&
               is(ggml_gelu(c(), x_), n, [&](int64_t r, int64_t i) {
                   const double v = x(r, i);
                   return 0.5 * v * (1 + std::tanh(0.7978845608 * v * (1 + 0.044715 * v * v)));
               }) &&
               is(ggml_tanh(c(), x_), n, [&](int64_t r, int64_t i) { return std::tanh(x(r, i)); }) &&
               is(ggml_swiglu_split(c(), x_, y_), n, [&](int64_t r, int64_t i) { return x(r, i) * sigmoid(x(r, i)) * y(r, i); }) &&
               is(ggml_reglu(c(), x_), half, [&](int64_t r, int64_t i) { return std::max(x(r, i), 0.0) * x(r, half + i); }) &&
               is(ggml_reglu_swapped(c(), x_), half, [&](int64_t r, int64_t i) { return std::max(x(r, half + i), 0.0) * x(r, i); }) &&
               is(ggml_swiglu_oai(c(), x_, y_, 1.5f, 1), n, [&](int64_t r, int64_t i) {
                   const double gate = std::min(x(r, i), 1.0), up = std::min(std::max(y(r, i), -1.0), 1.0);
                   return gate * sigmoid(1.5 * gate) * (up + 1);
               });
    }

    bool rotations_well() {
        constexpr int dims = 32;
        ggml_tensor* positions = ggml_new_tensor_1d(c(), GGML_TYPE_I32, rows);
        for (int32_t r = 0; r < rows; ++r) static_cast<int32_t*>(positions->data)[r] = 7 * r;
        for (const bool halves : {false, true}) {
            ggml_tensor* node = ggml_rope_ext(c(), ggml_reshape_3d(c(), x_, n, 1, rows), positions, nullptr, dims,
                                              halves ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL, 4096, 100, 0.5f, 0, 2, 32, 1);
            const bool well = is(node, n, [&](int64_t r, int64_t i) {
                if (i >= dims) return x(r, i);
                const int64_t pair = halves ? i % (dims / 2) : i / 2, first = halves ? pair : 2 * pair, second = halves ? pair + dims / 2 : first + 1;
                const double angle = 0.5 * 7 * double(r) * std::pow(100, -2.0 * double(pair) / dims);
                return 2 * (i == first ? x(r, first) * std::cos(angle) - x(r, second) * std::sin(angle)
                                       : x(r, first) * std::sin(angle) + x(r, second) * std::cos(angle));
            });
            if (!well) return false;
        }
        return true;
    }

    // Into the KV cache, backwards, and back.
    bool writes_well() {
        ggml_tensor *ids = ggml_new_tensor_1d(c(), GGML_TYPE_I64, rows), *back = ggml_new_tensor_1d(c(), GGML_TYPE_I32, rows);
        for (int64_t r = 0; r < rows; ++r) static_cast<int64_t*>(ids->data)[r] = rows - 1 - r, static_cast<int32_t*>(back->data)[r] = int32_t(rows - 1 - r);
        ggml_tensor* cache = ggml_new_tensor_2d(c(), GGML_TYPE_F16, n, rows);
        ggml_tensor* node = ggml_set_rows(c(), cache, x_, ids);
        if (!row_op_supported(node)) return false;
        std::fill_n(static_cast<ggml_fp16_t*>(cache->data), n * rows, ggml_fp32_to_fp16(-100));
        row_op_part(isa_, node, {.index = 0, .count = 1}, nullptr);
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t i = 0; i < n; ++i)
                if (std::abs(ggml_fp16_to_fp32(static_cast<ggml_fp16_t*>(cache->data)[(rows - 1 - r) * n + i]) - x(r, i)) > 0.002) return false;
        return is(ggml_get_rows(c(), x_, back), n, [&](int64_t r, int64_t i) { return x(rows - 1 - r, i); }) && order_well();
    }

    bool order_well() {
        ggml_tensor* node = ggml_argsort(c(), x_, GGML_SORT_ORDER_DESC);
        if (!row_op_supported(node)) return false;
        auto* order = static_cast<int32_t*>(node->data);
        std::fill_n(order, n * rows, 0);
        row_op_part(isa_, node, {.index = 0, .count = 1}, nullptr);
        for (int64_t i = 1; i < n; ++i)
            if (x(0, order[i - 1]) <= x(0, order[i])) return false;
        return true;
    }

    const Isa& isa_;
    std::unique_ptr<ggml_context, FreeContext> context_;
    Noise noise_{};
    ggml_tensor *x_ = nullptr, *y_ = nullptr;
};

}  // namespace

const char* self_test(const Isa& isa) {
    for (const Format& f : all_formats())
        if (!multiplies_well(isa, f)) return "a matrix product in the self-test came out wrong";
    for (const bool shared : {false, true})
        if (!attends_well<64, 8, 2>(isa, shared) || !attends_well<64, 20, 3>(isa, shared) || !attends_well<128, 12, 4>(isa, shared)) return "an attention in the self-test came out wrong";
    if (!RowTest(isa).all_well()) return "an op on rows in the self-test came out wrong";
    return nullptr;
}

}  // namespace weft::kernels
