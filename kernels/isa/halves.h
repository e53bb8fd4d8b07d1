// One IEEE half in memory. For the files of this folder: all of them have F16C.
#pragma once

#include <immintrin.h>

#include <cstring>

namespace weft::kernels {
namespace {

inline float half_to_float(const void* p) {
    unsigned short bits;
    std::memcpy(&bits, p, 2);
    return _cvtsh_ss(bits);
}
inline void store_half(void* p, float x) {
    const unsigned short bits = _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
    std::memcpy(p, &bits, 2);
}

}  // namespace
}  // namespace weft::kernels
