// MXFP4: 32 four-bit floats (E2M1) and a power of two (E8M0).
#pragma once

#include <ggml.h>

#include "layout/families.h"
#include "types/q4.h"

namespace weft::kernels {

struct Mxfp4Table {
    // Twice 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, each + 16. The scale is halved for it.
    static constexpr int largest = 28;
    alignas(16) static constexpr uint8_t values[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
};

struct Mxfp4 : BlockFamily<TableCodes<Mxfp4Table>, 16, BlockScale::exponent> {
    static constexpr ggml_type type = GGML_TYPE_MXFP4;
    static constexpr int file_bytes = 17;
    static void read(const uint8_t* in, Row& row) {
        row.scale = in[0];
        read_nibbles16(in + 1, row.codes);
    }
    static void write(const Row& row, uint8_t* out) {
        out[0] = uint8_t(row.scale);
        write_nibbles16(row.codes, out + 1);
    }
};

}  // namespace weft::kernels
