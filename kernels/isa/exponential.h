// e^x of sixteen numbers and what is made of it. What is no number stays so: of max and min of two the second one is returned then.
#pragma once

namespace weft::kernels {
namespace {

// e^x, 0 below -87. 2^f for f in -0.5..0.5 is a polynomial whose largest relative error is the least possible, 1e-7; rounding x adds
// 6e-8 times |x|.
template <class V>
typename V::Floats exponential(typename V::Floats x) {
    const auto t = V::max(V::splat(-150.0f), V::mul(x, V::splat(1.44269504f)));
    const auto whole = V::round(t);
    const auto f = V::sub(t, whole);
    auto p = V::splat(0.0013264727f);
    for (const float c : {0.0096715130f, 0.055507336f, 0.24022242f, 0.69314700f, 1.0f}) p = V::fma(p, f, V::splat(c));
    return V::scale_or_zero(p, whole, x, -87.0f);
}

// cap * tanh(x / cap)
template <class V>
typename V::Floats capped(typename V::Floats x, float cap) {
    const auto twice = V::min(V::splat(80.0f), V::max(V::splat(-80.0f), V::mul(x, V::splat(2 / cap))));
    const auto e = exponential<V>(twice);
    return V::mul(V::splat(cap), V::div(V::sub(e, V::splat(1)), V::add(e, V::splat(1))));
}

}  // namespace
}  // namespace weft::kernels
