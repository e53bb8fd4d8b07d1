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

}  // namespace
}  // namespace weft::kernels
