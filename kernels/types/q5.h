// Q5_0 and Q5_1: as Q4_0 and Q4_1 with a fifth bit for each code.
#pragma once

#include <ggml.h>

#include "layout/families.h"
#include "types/q4.h"

namespace weft::kernels {

inline void read_fives(const uint8_t* in, uint8_t* codes) {
    uint32_t fifth;
    std::memcpy(&fifth, in, 4);
    read_nibbles16(in + 4, codes);
    for (int i = 0; i < 32; i += 4) {
        // Four bits to the low bits of four bytes.
        const uint32_t spread = (fifth >> i & 15) * 0x00204081 & 0x01010101;
        uint32_t four;
        std::memcpy(&four, codes + i, 4);
        four |= spread << 4;
        std::memcpy(codes + i, &four, 4);
    }
}
inline void write_fives(const uint8_t* codes, uint8_t* out) {
    uint32_t fifth = 0;
    for (int i = 0; i < 32; ++i) fifth |= uint32_t(codes[i] >> 4) << i;
    std::memcpy(out, &fifth, 4);
    write_nibbles16(codes, out + 4);
}

struct Q5_0 : BlockFamily<FiveBitCodes, 16> {
    static constexpr ggml_type type = GGML_TYPE_Q5_0;
    static constexpr int file_bytes = 22;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.scale, in, 2);
        read_fives(in + 2, row.codes);
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.scale, 2);
        write_fives(row.codes, out + 2);
    }
};

struct Q5_1 : BlockFamily<FiveBitCodes, 0, BlockScale::half_and_min> {
    static constexpr ggml_type type = GGML_TYPE_Q5_1;
    static constexpr int file_bytes = 24;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.scale, in, 2);
        std::memcpy(&row.min, in + 2, 2);
        read_fives(in + 4, row.codes);
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.scale, 2);
        std::memcpy(out + 2, &row.min, 2);
        write_fives(row.codes, out + 4);
    }
};

}  // namespace weft::kernels
