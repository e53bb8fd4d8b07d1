// Q3_K: 16 times 16 codes of 3 bits, each with a 6-bit scale that is stored with an offset of 32.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

struct Q3_K : SuperSignedFamily<ThreeBitCodes, 4> {
    static constexpr ggml_type type = GGML_TYPE_Q3_K;
    static constexpr int file_bytes = 110;  // hmask[32], qs[64], scales[12], d

    // k = 128 half + 32 pair + i: two bits in qs[32 half + i] at 2 pair, the third in hmask[i] at bit 4 half + pair.
    static void read(const uint8_t* in, Row& row) {
        const uint8_t *high = in, *qs = in + 32, *s = in + 96;
        std::memcpy(&row.d, in + 108, 2);
        for (int j = 0; j < 16; ++j) {
            const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
            row.scales[j] = uint8_t((low | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32);
        }
        for (int part = 0; part < 8; ++part) {
            const int half = part / 4, pair = part % 4;
            for (int i = 0; i < 32; i += 8) {
                uint64_t low_bits, high_bits;
                std::memcpy(&low_bits, qs + 32 * half + i, 8);
                std::memcpy(&high_bits, high + i, 8);
                const uint64_t codes = (low_bits >> 2 * pair & 0x0303030303030303) | (high_bits >> part & 0x0101010101010101) << 2;
                std::memcpy(row.codes + 32 * part + i, &codes, 8);
            }
        }
    }
    static void write(const Row& row, uint8_t* out) {
        uint8_t *high = out, *qs = out + 32, *s = out + 96;
        std::memset(out, 0, 108);
        std::memcpy(out + 108, &row.d, 2);
        for (int j = 0; j < 16; ++j) {
            const int scale = (row.scales[j] + 32) & 63;
            s[j % 8] |= uint8_t((scale & 15) << (j < 8 ? 0 : 4));
            s[8 + j % 4] |= uint8_t((scale >> 4) << 2 * (j / 4));
        }
        for (int k = 0; k < 256; ++k) {
            const int half = k / 128, pair = k / 32 % 4, i = k % 32;
            qs[32 * half + i] |= uint8_t((row.codes[k] & 3) << 2 * pair);
            high[i] |= uint8_t((row.codes[k] >> 2) << (4 * half + pair));
        }
    }
};

}  // namespace weft::kernels
