// Q6_K: 16 times 16 codes of 6 bits, each with a signed 8-bit scale.
#pragma once

#include <ggml.h>

#include "layout/families.h"

namespace weft::kernels {

struct Q6_K : SuperSignedFamily<SixBitCodes, 32> {
    static constexpr ggml_type type = GGML_TYPE_Q6_K;
    static constexpr int file_bytes = 210;
    static void read(const uint8_t* in, Row& row) {
        const uint8_t *ql = in, *qh = in + 128;
        std::memcpy(row.scales, in + 192, 16);
        std::memcpy(&row.d, in + 208, 2);
        for (int half = 0; half < 2; ++half, ql += 64, qh += 32)
            for (int i = 0; i < 32; ++i) {
                uint8_t* c = row.codes + 128 * half + i;
                c[0] = uint8_t((ql[i] & 15) | (qh[i] & 3) << 4);
                c[32] = uint8_t((ql[i + 32] & 15) | (qh[i] >> 2 & 3) << 4);
                c[64] = uint8_t(ql[i] >> 4 | (qh[i] >> 4 & 3) << 4);
                c[96] = uint8_t(ql[i + 32] >> 4 | (qh[i] >> 6) << 4);
            }
    }
    static void write(const Row& row, uint8_t* out) {
        uint8_t *ql = out, *qh = out + 128;
        std::memcpy(out + 192, row.scales, 16);
        std::memcpy(out + 208, &row.d, 2);
        for (int half = 0; half < 2; ++half, ql += 64, qh += 32)
            for (int i = 0; i < 32; ++i) {
                const uint8_t* c = row.codes + 128 * half + i;
                ql[i] = uint8_t((c[0] & 15) | (c[64] & 15) << 4);
                ql[i + 32] = uint8_t((c[32] & 15) | (c[96] & 15) << 4);
                qh[i] = uint8_t(c[0] >> 4 | (c[32] >> 4) << 2 | (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
            }
    }
};

}  // namespace weft::kernels
