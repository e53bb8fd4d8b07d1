#include "ops/row_ops.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <memory>

namespace weft::kernels {
namespace {

constexpr float none = std::numeric_limits<float>::quiet_NaN();

struct FreeContext {
    void operator()(ggml_context* c) const { ggml_free(c); }
};

std::vector<Touch> touches_of(const ggml_tensor* node) {
    std::vector<Touch> touches;
    add_touches(node, touches);
    return touches;
}

bool conflict(const ggml_tensor* a, const ggml_tensor* b) {
    const auto first = touches_of(a), second = touches_of(b);
    return std::ranges::any_of(first, [&](const Touch& x) { return std::ranges::any_of(second, [&](const Touch& y) { return x.conflicts(y); }); });
}

}  // namespace

TEST_CASE("what is not a number stays so in every activation, gate and softmax") {
    for (const Isa* isa : usable_isas())
        for (const int64_t n : {1, 16, 37}) {
            INFO(isa->name << ", " << n << " numbers");
            std::vector<float> x(size_t(n), 0.5f), out(x.size());
            x.back() = none;
            for (const auto kind : {Activation::silu, Activation::gelu, Activation::gelu_quick, Activation::sigmoid, Activation::tanh}) {
                isa->rows->activate(kind, x.data(), n, out.data());
                CHECK(std::isnan(out.back()));
                CHECK((n == 1 || std::isfinite(out.front())));
            }
            isa->rows->gate_bounded(1.7f, 7, x.data(), x.data(), n, out.data());
            CHECK(std::isnan(out.back()));
            isa->rows->softmax(x.data(), n, out.data());
            CHECK(std::ranges::all_of(out, [](float v) { return std::isnan(v); }));
        }
}

TEST_CASE("activations of the largest numbers are what they come to in the end") {
    const float x[] = {-3e38f, -1e4f, -89, 0, 89, 1e4f, 3e38f};
    constexpr int64_t n = std::size(x);
    float out[n];
    for (const Isa* isa : usable_isas()) {
        INFO(isa->name);
        for (const auto kind : {Activation::silu, Activation::gelu, Activation::gelu_quick}) {
            isa->rows->activate(kind, x, n, out);
            for (int i = 0; i < n; ++i) CHECK(std::abs(out[i] - std::max(x[i], 0.0f)) < 1e-30f);
        }
        isa->rows->activate(Activation::tanh, x, n, out);
        for (int i = 0; i < n; ++i) CHECK(out[i] == (x[i] < 0 ? -1.0f : x[i] > 0 ? 1.0f : 0.0f));
    }
}

TEST_CASE("nodes conflict unless each slice of one needs the same slice of the other only") {
    const std::unique_ptr<ggml_context, FreeContext> owner(ggml_init({.mem_size = 4 << 20, .mem_buffer = nullptr, .no_alloc = false}));
    ggml_context* c = owner.get();
    ggml_tensor *x = ggml_new_tensor_2d(c, GGML_TYPE_F32, 256, 384), *weight = ggml_new_tensor_1d(c, GGML_TYPE_F32, 256);
    ggml_tensor *normed = ggml_rms_norm(c, x, 1e-5f), *scaled = ggml_mul(c, normed, weight), *other = ggml_scale(c, x, 2);
    CHECK_FALSE(conflict(normed, scaled));  // token by token
    CHECK_FALSE(conflict(normed, other));   // both read
    CHECK(conflict(normed, ggml_scale(c, ggml_view_2d(c, normed, 256, 383, normed->nb[1], normed->nb[1]), 2)));  // the token before
    CHECK(conflict(ggml_scale_inplace(c, weight, 2), ggml_mul(c, x, weight)));  // all tokens need one row

    // Slices of three rows each, where another node writes one row after the other.
    ggml_tensor* windows = ggml_cont(c, ggml_view_3d(c, normed, 256, 3, 128, normed->nb[1], normed->nb[1], 0));
    ggml_tensor* rows = ggml_rms_norm(c, ggml_view_2d(c, x, 256, 128, x->nb[1], 0), 1e-5f);
    rows->data = normed->data;
    CHECK(conflict(windows, rows));
}

TEST_CASE("a large sum of rows is divided by what it reads, and two streams by their rows") {
    const std::unique_ptr<ggml_context, FreeContext> owner(ggml_init({.mem_size = 1 << 20, .mem_buffer = nullptr, .no_alloc = true}));
    ggml_context* c = owner.get();
    CHECK(row_op_slices(ggml_sum_rows(c, ggml_new_tensor_2d(c, GGML_TYPE_F32, 8192, 512))) == 512);
    CHECK(row_op_slices(ggml_scale(c, ggml_new_tensor_4d(c, GGML_TYPE_F32, 64, 8, 512, 2), 2)) == 512);
    CHECK(row_op_slices(ggml_scale(c, ggml_new_tensor_2d(c, GGML_TYPE_F32, 64, 8), 2)) == 1);
}

}  // namespace weft::kernels
