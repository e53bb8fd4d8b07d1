// Q8_0: 32 signed bytes and a half.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

struct Q8_0 : BlockFamily<ByteCodes, 128> {
    static constexpr ggml_type type = GGML_TYPE_Q8_0;
    static constexpr int file_bytes = 34;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.scale, in, 2);
        for (int i = 0; i < 32; ++i) row.codes[i] = in[2 + i] ^ 0x80;
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.scale, 2);
        for (int i = 0; i < 32; ++i) out[2 + i] = row.codes[i] ^ 0x80;
    }
};

}  // namespace weft::kernels
