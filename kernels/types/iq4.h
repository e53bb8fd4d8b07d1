// IQ4_NL and IQ4_XS: nibbles that stand for 16 numbers which are denser near 0.
#pragma once

#include <ggml.h>

#include "layout/families.h"
#include "types/q4.h"

namespace weft::kernels {

struct Iq4Table {
    // -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113, each + 128
    static constexpr int largest = 241;
    alignas(16) static constexpr uint8_t values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
};

struct Iq4Nl : BlockFamily<TableCodes<Iq4Table>, 128> {
    static constexpr ggml_type type = GGML_TYPE_IQ4_NL;
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

// One 6-bit scale for 32 weights, stored with an offset of 32; here twice, once for each 16.
struct Iq4Xs : SuperSignedFamily<TableCodes<Iq4Table>, 128> {
    static constexpr ggml_type type = GGML_TYPE_IQ4_XS;
    static constexpr int file_bytes = 136;  // d, high bits of the scales (16), low nibbles[4], qs[128]
    static void read(const uint8_t* in, Row& row) {
        uint16_t high;
        std::memcpy(&row.d, in, 2);
        std::memcpy(&high, in + 2, 2);
        for (int j = 0; j < 8; ++j) {
            const int low = in[4 + j / 2] >> 4 * (j % 2) & 15;
            row.scales[2 * j] = row.scales[2 * j + 1] = uint8_t((low | (high >> 2 * j & 3) << 4) - 32);
            read_nibbles16(in + 8 + 16 * j, row.codes + 32 * j);
        }
    }
    static void write(const Row& row, uint8_t* out) {
        uint16_t high = 0;
        std::memset(out, 0, 8);
        std::memcpy(out, &row.d, 2);
        for (int j = 0; j < 8; ++j) {
            const int scale = (row.scales[2 * j] + 32) & 63;
            out[4 + j / 2] |= uint8_t((scale & 15) << 4 * (j % 2));
            high = uint16_t(high | (scale >> 4) << 2 * j);
            write_nibbles16(row.codes + 32 * j, out + 8 + 16 * j);
        }
        std::memcpy(out + 2, &high, 2);
    }
};

}  // namespace weft::kernels
