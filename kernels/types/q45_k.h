// Q4_K and Q5_K: 8 times 32 codes, each with a 6-bit scale and a 6-bit minimum.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

// The 12 bytes of packed 6-bit scales and mins.
inline void read_scales_and_mins(const uint8_t* s, SuperRow& row) {
    for (int j = 0; j < 8; ++j) {
        row.scales[j] = uint8_t(j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
        row.mins[j] = uint8_t(j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4);
    }
}
inline void write_scales_and_mins(const SuperRow& row, uint8_t* s) {
    for (int j = 0; j < 4; ++j) {
        s[j] = uint8_t(row.scales[j] | (row.scales[j + 4] >> 4) << 6);
        s[j + 4] = uint8_t(row.mins[j] | (row.mins[j + 4] >> 4) << 6);
        s[j + 8] = uint8_t((row.scales[j + 4] & 15) | (row.mins[j + 4] & 15) << 4);
    }
}

struct Q4_K : SuperMinFamily<NibbleCodes> {
    static constexpr ggml_type type = GGML_TYPE_Q4_K;
    static constexpr int file_bytes = 144;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.d, in, 2);
        std::memcpy(&row.dmin, in + 2, 2);
        read_scales_and_mins(in + 4, row);
        const uint8_t* qs = in + 16;
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i) {
                row.codes[64 * c + i] = qs[32 * c + i] & 15;
                row.codes[64 * c + 32 + i] = qs[32 * c + i] >> 4;
            }
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.d, 2);
        std::memcpy(out + 2, &row.dmin, 2);
        write_scales_and_mins(row, out + 4);
        uint8_t* qs = out + 16;
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i)
                qs[32 * c + i] = uint8_t((row.codes[64 * c + i] & 15) | (row.codes[64 * c + 32 + i] & 15) << 4);
    }
};

struct Q5_K : SuperMinFamily<FiveBitCodes> {
    static constexpr ggml_type type = GGML_TYPE_Q5_K;
    static constexpr int file_bytes = 176;
    static void read(const uint8_t* in, Row& row) {
        std::memcpy(&row.d, in, 2);
        std::memcpy(&row.dmin, in + 2, 2);
        read_scales_and_mins(in + 4, row);
        const uint8_t *qh = in + 16, *qs = in + 48;
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i) {
                row.codes[64 * c + i] = uint8_t((qs[32 * c + i] & 15) | (qh[i] >> 2 * c & 1) << 4);
                row.codes[64 * c + 32 + i] = uint8_t(qs[32 * c + i] >> 4 | (qh[i] >> (2 * c + 1) & 1) << 4);
            }
    }
    static void write(const Row& row, uint8_t* out) {
        std::memcpy(out, &row.d, 2);
        std::memcpy(out + 2, &row.dmin, 2);
        write_scales_and_mins(row, out + 4);
        uint8_t *qh = out + 16, *qs = out + 48;
        std::memset(qh, 0, 32);
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i) {
                const uint8_t low = row.codes[64 * c + i], high = row.codes[64 * c + 32 + i];
                qs[32 * c + i] = uint8_t((low & 15) | (high & 15) << 4);
                qh[i] |= uint8_t((low >> 4) << 2 * c | (high >> 4) << (2 * c + 1));
            }
    }
};

}  // namespace weft::kernels
