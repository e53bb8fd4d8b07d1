// Q4_0 and Q4_1: 32 nibbles and a half, Q4_1 with a minimum.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

inline void read_nibbles16(const uint8_t* in, uint8_t* codes) {
    for (int i = 0; i < 16; ++i) codes[i] = in[i] & 15, codes[16 + i] = in[i] >> 4;
}
inline void write_nibbles16(const uint8_t* codes, uint8_t* out) {
    for (int i = 0; i < 16; ++i) out[i] = uint8_t((codes[i] & 15) | (codes[16 + i] & 15) << 4);
}

struct Q4_0 : BlockFamily<NibbleCodes, 8> {
    static constexpr ggml_type type = GGML_TYPE_Q4_0;
    static constexpr int file_bytes = 18;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.scale, in, 2);
        read_nibbles16(in + 2, row.codes);
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.scale, 2);
        write_nibbles16(row.codes, out + 2);
    }
};

struct Q4_1 : BlockFamily<NibbleCodes, 0, BlockScale::half_and_min> {
    static constexpr ggml_type type = GGML_TYPE_Q4_1;
    static constexpr int file_bytes = 20;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.scale, in, 2);
        std::memcpy(&row.min, in + 2, 2);
        read_nibbles16(in + 4, row.codes);
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.scale, 2);
        std::memcpy(out + 2, &row.min, 2);
        write_nibbles16(row.codes, out + 4);
    }
};

}  // namespace weft::kernels
