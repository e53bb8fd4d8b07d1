// Everything that works on rows of floats and is neither a product nor attention. Written once for all instruction sets: V is
// Avx512 or Avx2.
#pragma once

#include "isa/exponential.h"
#include "isa/isa.h"
#include "isa/quantise.h"

namespace weft::kernels {
namespace {

struct Whole {};  // sixteen numbers, as opposed to the fewer ones at the end of a row

template <class V>
typename V::Floats get(const float* p, Whole) { return V::load(p); }
template <class V>
typename V::Floats get(const float* p, int n) { return V::load_first(p, n); }
template <class V>
void put(float* p, Whole, typename V::Floats x) { V::store(p, x); }
template <class V>
void put(float* p, int n, typename V::Floats x) { V::store_first(p, n, x); }

// f(i, how many) for each sixteen of n numbers.
template <class F>
[[gnu::always_inline]] inline void by_sixteen(int64_t n, F f) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) f(i, Whole{});
    if (i < n) f(i, int(n - i));
}

template <class V>
float sum_of(const float* x, int64_t n) {
    auto sum = V::zero();
    by_sixteen(n, [&](int64_t i, auto part) { sum = V::add(sum, get<V>(x + i, part)); });
    return V::sum(sum);
}

template <class V>
void rms_norm(const float* x, int64_t n, float eps, float* out) {
    auto squares = V::zero();
    by_sixteen(n, [&](int64_t i, auto part) {
        const auto v = get<V>(x + i, part);
        squares = V::fma(v, v, squares);
    });
    const auto scale = V::splat(1.0f / __builtin_sqrtf(V::sum(squares) / float(n) + eps));
    by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, V::mul(get<V>(x + i, part), scale)); });
}

template <class V>
void layer_norm(const float* x, int64_t n, float eps, float* out) {
    const auto mean = V::splat(sum_of<V>(x, n) / float(n));
    by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, V::sub(get<V>(x + i, part), mean)); });
    rms_norm<V>(out, n, eps, out);
}

template <class V, class F>
void with_row(const float* a, const float* b, bool one_number, int64_t n, float* out, F f) {
    if (one_number) by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, f(get<V>(a + i, part), V::splat(*b))); });
    else by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, f(get<V>(a + i, part), get<V>(b + i, part))); });
}

template <class V>
void combine(Combination how, const float* a, const float* b, bool one_number, int64_t n, float* out) {
    using F = typename V::Floats;
    switch (how) {
        case Combination::add: return with_row<V>(a, b, one_number, n, out, [](F x, F y) { return V::add(x, y); });
        case Combination::sub: return with_row<V>(a, b, one_number, n, out, [](F x, F y) { return V::sub(x, y); });
        case Combination::mul: return with_row<V>(a, b, one_number, n, out, [](F x, F y) { return V::mul(x, y); });
        case Combination::div: return with_row<V>(a, b, one_number, n, out, [](F x, F y) { return V::div(x, y); });
    }
}

template <class V>
void scale(const float* x, int64_t n, float factor, float offset, float* out) {
    by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, V::fma(get<V>(x + i, part), V::splat(factor), V::splat(offset))); });
}

// 1 / (1 + e^-x). At the bound e^-x is infinite or nearly so, and beyond it not a number.
template <class V>
typename V::Floats sigmoid(typename V::Floats x) {
    const auto e = exponential<V>(V::min(V::splat(89.0f), V::sub(V::zero(), x)));
    return V::div(V::splat(1), V::add(V::splat(1), e));
}

template <class V>
typename V::Floats gelu(typename V::Floats x) {
    constexpr float twice_root_2_over_pi = 1.595769122f;
    const auto cubic = V::mul(x, V::fma(V::mul(x, x), V::splat(0.044715f), V::splat(1)));
    return V::mul(x, sigmoid<V>(V::mul(cubic, V::splat(twice_root_2_over_pi))));
}

// f(the activation): `kind` is known where the loop is compiled.
template <class V, class F>
void for_activation(Activation kind, F f) {
    switch (kind) {
        case Activation::silu: return f([](auto x) { return V::mul(x, sigmoid<V>(x)); });
        case Activation::gelu: return f([](auto x) { return gelu<V>(x); });
        case Activation::gelu_quick: return f([](auto x) { return V::mul(x, sigmoid<V>(V::mul(x, V::splat(1.702f)))); });
        case Activation::sigmoid: return f([](auto x) { return sigmoid<V>(x); });
        case Activation::tanh: return f([](auto x) { return capped<V>(x, 1); });
        case Activation::relu: return f([](auto x) { return V::max(x, V::zero()); });
    }
}

template <class V>
void activate(Activation kind, const float* x, int64_t n, float* out) {
    for_activation<V>(kind, [&](auto f) { by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, f(get<V>(x + i, part))); }); });
}

template <class V>
void gate(Activation kind, const float* gate, const float* up, int64_t n, float* out) {
    for_activation<V>(kind, [&](auto f) {
        by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, V::mul(f(get<V>(gate + i, part)), get<V>(up + i, part))); });
    });
}

// The gate of GPT-OSS: up is shifted by one, and both are bounded.
template <class V>
void gate_bounded(float alpha, float limit, const float* gate, const float* up, int64_t n, float* out) {
    const auto most = V::splat(limit), least = V::splat(-limit), one = V::splat(1);
    by_sixteen(n, [&](int64_t i, auto part) {
        const auto x = V::min(most, get<V>(gate + i, part)), y = V::max(least, V::min(most, get<V>(up + i, part)));
        put<V>(out + i, part, V::mul(V::mul(x, sigmoid<V>(V::mul(x, V::splat(alpha)))), V::add(y, one)));
    });
}

template <class V>
void softmax(const float* x, int64_t n, float* out) {
    float top = x[0];
    for (int64_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
    by_sixteen(n, [&](int64_t i, auto part) { put<V>(out + i, part, exponential<V>(V::sub(get<V>(x + i, part), V::splat(top)))); });
    scale<V>(out, n, 1 / sum_of<V>(out, n), 0, out);
}

// Pairs stand side by side.
template <class V>
void rotate_neighbours(const float* x, const float* factors, int64_t dims, float* out) {
    by_sixteen(dims, [&](int64_t i, auto part) {
        const auto v = get<V>(x + i, part);
        put<V>(out + i, part, V::fma(v, get<V>(factors + i, part), V::mul(V::swap_pairs(v), get<V>(factors + dims + i, part))));
    });
}

// The other of a pair stands half a head further.
template <class V>
void rotate_halves(const float* x, const float* factors, int64_t dims, float* out) {
    const int64_t half = dims / 2;
    by_sixteen(half, [&](int64_t i, auto part) {
        const auto a = get<V>(x + i, part), b = get<V>(x + half + i, part);
        put<V>(out + i, part, V::fma(a, get<V>(factors + i, part), V::mul(b, get<V>(factors + dims + i, part))));
        put<V>(out + half + i, part, V::fma(b, get<V>(factors + half + i, part), V::mul(a, get<V>(factors + dims + half + i, part))));
    });
}

template <class V>
void rotate(bool halves, const float* x, const float* factors, int64_t dims, float* out) {
    if (halves) rotate_halves<V>(x, factors, dims, out);
    else rotate_neighbours<V>(x, factors, dims, out);
}

template <class V>
void to_halves(const float* x, int64_t n, void* out) {
    auto* to = static_cast<char*>(out);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) V::store_half(to + 2 * i, V::load(x + i));
    for (; i < n; ++i) store_half(to + 2 * i, x[i]);
}

// n: a multiple of 32
template <class V>
void to_q8_0(const float* x, int64_t n, void* out) {
    auto* to = static_cast<char*>(out);
    for (int64_t i = 0; i < n; i += 32, to += 34) {
        const Scale s = scale_of<V>(x + i, 32);
        store_half(to, s.scale);
        for (int j = 0; j < 32; j += 16) (void)quantise16<V>(x + i + j, V::splat(s.inverse), reinterpret_cast<int8_t*>(to + 2 + j));
    }
}

template <class V>
inline constexpr RowKernels row_kernels = {
    .rms_norm = rms_norm<V>, .layer_norm = layer_norm<V>, .combine = combine<V>, .scale = scale<V>, .sum = sum_of<V>, .activate = activate<V>,
    .gate = gate<V>, .gate_bounded = gate_bounded<V>, .softmax = softmax<V>, .rotate = rotate<V>, .to_halves = to_halves<V>, .to_q8_0 = to_q8_0<V>};

}  // namespace
}  // namespace weft::kernels
