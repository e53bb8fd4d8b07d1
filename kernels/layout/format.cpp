#include "layout/format.h"

#include <cstring>

namespace weft::kernels {
namespace {

using Codes = uint8_t[strip_rows][256];

// --- groups -------------------------------------------------------------------------------------------------------

// One byte per code: group g of 32 k holds k 4g..4g+3.
void put_bytes(const Codes& codes, int k0, uint8_t* out) {
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) out[64 * g + 4 * r + i] = codes[r][k0 + 4 * g + i];
}

void get_bytes(const uint8_t* in, Codes& codes, int k0) {
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) codes[r][k0 + 4 * g + i] = in[64 * g + 4 * r + i];
}

// Two codes per byte: low nibbles are groups 0..3, high nibbles groups 4..7.
void put_nibbles(const Codes& codes, int k0, uint8_t* out) {
    for (int g = 0; g < 4; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) {
                const int low = codes[r][k0 + 4 * g + i] & 15, high = codes[r][k0 + 16 + 4 * g + i] & 15;
                out[64 * g + 4 * r + i] = uint8_t(low | high << 4);
            }
}

void get_nibbles(const uint8_t* in, Codes& codes, int k0) {
    for (int g = 0; g < 4; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) {
                codes[r][k0 + 4 * g + i] = in[64 * g + 4 * r + i] & 15;
                codes[r][k0 + 16 + 4 * g + i] = in[64 * g + 4 * r + i] >> 4;
            }
}

// The upper 2 bits of 6-bit codes: byte vector h holds groups 4h..4h+3 at bits 0, 2, 4, 6.
void put_top_bits(const Codes& codes, int k0, uint8_t* out) {
    std::memset(out, 0, 128);
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i)
                out[64 * (g / 4) + 4 * r + i] |= uint8_t((codes[r][k0 + 4 * g + i] >> 4) << 2 * (g % 4));
}

void get_top_bits(const uint8_t* in, Codes& codes, int k0) {
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i)
                codes[r][k0 + 4 * g + i] |= uint8_t((in[64 * (g / 4) + 4 * r + i] >> 2 * (g % 4) & 3) << 4);
}

// The upper bit of 5-bit codes: bit g of one byte vector is group g.
void put_fifth_bit(const Codes& codes, int k0, uint8_t* out) {
    std::memset(out, 0, 64);
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) out[4 * r + i] |= uint8_t((codes[r][k0 + 4 * g + i] >> 4) << g);
}

void get_fifth_bit(const uint8_t* in, Codes& codes, int k0) {
    for (int g = 0; g < 8; ++g)
        for (int r = 0; r < strip_rows; ++r)
            for (int i = 0; i < 4; ++i) codes[r][k0 + 4 * g + i] |= uint8_t((in[4 * r + i] >> g & 1) << 4);
}

// --- Q8_0: strip block of 64 k = 2 x 16 half scales, 2 x 512 codes biased by 128 -------------------------------------

void pack_q8_0(const uint8_t* const* rows, uint8_t* out) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        for (int r = 0; r < strip_rows; ++r) {
            const uint8_t* in = rows[r] + 34 * b;
            std::memcpy(out + 32 * b + 2 * r, in, 2);
            for (int i = 0; i < 32; ++i) codes[r][i] = in[2 + i] ^ 0x80;
        }
        put_bytes(codes, 0, out + 64 + 512 * b);
    }
}

void unpack_q8_0(const uint8_t* in, uint8_t* const* rows) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        get_bytes(in + 64 + 512 * b, codes, 0);
        for (int r = 0; r < strip_rows; ++r) {
            uint8_t* out = rows[r] + 34 * b;
            std::memcpy(out, in + 32 * b + 2 * r, 2);
            for (int i = 0; i < 32; ++i) out[2 + i] = codes[r][i] ^ 0x80;
        }
    }
}

// --- Q4_0: strip block of 64 k = 2 x 16 half scales, 2 x 256 nibble bytes -------------------------------------------

void pack_q4_0(const uint8_t* const* rows, uint8_t* out) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        for (int r = 0; r < strip_rows; ++r) {
            const uint8_t* in = rows[r] + 18 * b;
            std::memcpy(out + 32 * b + 2 * r, in, 2);
            for (int i = 0; i < 16; ++i) codes[r][i] = in[2 + i] & 15, codes[r][16 + i] = in[2 + i] >> 4;
        }
        put_nibbles(codes, 0, out + 64 + 256 * b);
    }
}

void unpack_q4_0(const uint8_t* in, uint8_t* const* rows) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        get_nibbles(in + 64 + 256 * b, codes, 0);
        for (int r = 0; r < strip_rows; ++r) {
            uint8_t* out = rows[r] + 18 * b;
            std::memcpy(out, in + 32 * b + 2 * r, 2);
            for (int i = 0; i < 16; ++i) out[2 + i] = uint8_t(codes[r][i] | codes[r][16 + i] << 4);
        }
    }
}

// --- Q5_0: strip block of 64 k = 2 x 16 half scales, 2 x (256 nibble bytes, 64 bytes of fifth bits) -----------------

void pack_q5_0(const uint8_t* const* rows, uint8_t* out) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        for (int r = 0; r < strip_rows; ++r) {
            const uint8_t* in = rows[r] + 22 * b;
            uint32_t fifth;
            std::memcpy(out + 32 * b + 2 * r, in, 2);
            std::memcpy(&fifth, in + 2, 4);
            for (int i = 0; i < 16; ++i) {
                codes[r][i] = uint8_t((in[6 + i] & 15) | (fifth >> i & 1) << 4);
                codes[r][16 + i] = uint8_t(in[6 + i] >> 4 | (fifth >> (16 + i) & 1) << 4);
            }
        }
        put_nibbles(codes, 0, out + 64 + 320 * b);
        put_fifth_bit(codes, 0, out + 64 + 320 * b + 256);
    }
}

void unpack_q5_0(const uint8_t* in, uint8_t* const* rows) {
    for (int b = 0; b < 2; ++b) {
        Codes codes;
        get_nibbles(in + 64 + 320 * b, codes, 0);
        get_fifth_bit(in + 64 + 320 * b + 256, codes, 0);
        for (int r = 0; r < strip_rows; ++r) {
            uint8_t* out = rows[r] + 22 * b;
            uint32_t fifth = 0;
            for (int i = 0; i < 32; ++i) fifth |= uint32_t(codes[r][i] >> 4) << i;
            std::memcpy(out, in + 32 * b + 2 * r, 2);
            std::memcpy(out + 2, &fifth, 4);
            for (int i = 0; i < 16; ++i) out[6 + i] = uint8_t((codes[r][i] & 15) | (codes[r][16 + i] & 15) << 4);
        }
    }
}

// --- Q4_K: strip block of 256 k -------------------------------------------------------------------------------------
// 0: d half[16] | 32: dmin half[16] | 64: scale u8[8][16] | 192: min u8[4][16][2], pairs of sub-blocks | 320: nibbles

void pack_q4_k(const uint8_t* const* rows, uint8_t* out) {
    Codes codes;
    for (int r = 0; r < strip_rows; ++r) {
        const uint8_t *in = rows[r], *s = in + 4, *qs = in + 16;
        std::memcpy(out + 2 * r, in, 2);
        std::memcpy(out + 32 + 2 * r, in + 2, 2);
        for (int j = 0; j < 8; ++j) {
            const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
            const int min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
            out[64 + 16 * j + r] = uint8_t(scale);
            out[192 + 32 * (j / 2) + 2 * r + j % 2] = uint8_t(min);
        }
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i) {
                codes[r][64 * c + i] = qs[32 * c + i] & 15;
                codes[r][64 * c + 32 + i] = qs[32 * c + i] >> 4;
            }
    }
    for (int j = 0; j < 8; ++j) put_nibbles(codes, 32 * j, out + 320 + 256 * j);
}

void unpack_q4_k(const uint8_t* in, uint8_t* const* rows) {
    Codes codes;
    for (int j = 0; j < 8; ++j) get_nibbles(in + 320 + 256 * j, codes, 32 * j);
    for (int r = 0; r < strip_rows; ++r) {
        uint8_t *out = rows[r], *s = out + 4, *qs = out + 16;
        std::memcpy(out, in + 2 * r, 2);
        std::memcpy(out + 2, in + 32 + 2 * r, 2);
        const auto scale = [&](int j) { return in[64 + 16 * j + r]; };
        const auto min = [&](int j) { return in[192 + 32 * (j / 2) + 2 * r + j % 2]; };
        for (int j = 0; j < 4; ++j) {
            s[j] = uint8_t(scale(j) | (scale(j + 4) >> 4) << 6);
            s[j + 4] = uint8_t(min(j) | (min(j + 4) >> 4) << 6);
            s[j + 8] = uint8_t((scale(j + 4) & 15) | (min(j + 4) & 15) << 4);
        }
        for (int c = 0; c < 4; ++c)
            for (int i = 0; i < 32; ++i) qs[32 * c + i] = uint8_t(codes[r][64 * c + i] | codes[r][64 * c + 32 + i] << 4);
    }
}

// --- Q6_K: strip block of 256 k -------------------------------------------------------------------------------------
// 0: d half[16] | 64: scale i8[16][16] | 320: 8 x (256 nibble bytes, 128 top-bit bytes)

void pack_q6_k(const uint8_t* const* rows, uint8_t* out) {
    Codes codes;
    std::memset(out, 0, 64);
    for (int r = 0; r < strip_rows; ++r) {
        const uint8_t *ql = rows[r], *qh = ql + 128, *scales = ql + 192;
        std::memcpy(out + 2 * r, ql + 208, 2);
        for (int j = 0; j < 16; ++j) out[64 + 16 * j + r] = scales[j];
        for (int half = 0; half < 2; ++half, ql += 64, qh += 32)
            for (int i = 0; i < 32; ++i) {
                uint8_t* c = codes[r] + 128 * half + i;
                c[0] = uint8_t((ql[i] & 15) | (qh[i] & 3) << 4);
                c[32] = uint8_t((ql[i + 32] & 15) | (qh[i] >> 2 & 3) << 4);
                c[64] = uint8_t(ql[i] >> 4 | (qh[i] >> 4 & 3) << 4);
                c[96] = uint8_t(ql[i + 32] >> 4 | (qh[i] >> 6) << 4);
            }
    }
    for (int j = 0; j < 8; ++j) {
        put_nibbles(codes, 32 * j, out + 320 + 384 * j);
        put_top_bits(codes, 32 * j, out + 320 + 384 * j + 256);
    }
}

void unpack_q6_k(const uint8_t* in, uint8_t* const* rows) {
    Codes codes;
    for (int j = 0; j < 8; ++j) {
        get_nibbles(in + 320 + 384 * j, codes, 32 * j);
        get_top_bits(in + 320 + 384 * j + 256, codes, 32 * j);
    }
    for (int r = 0; r < strip_rows; ++r) {
        uint8_t *ql = rows[r], *qh = ql + 128, *scales = ql + 192;
        std::memcpy(ql + 208, in + 2 * r, 2);
        for (int j = 0; j < 16; ++j) scales[j] = in[64 + 16 * j + r];
        for (int half = 0; half < 2; ++half, ql += 64, qh += 32)
            for (int i = 0; i < 32; ++i) {
                const uint8_t* c = codes[r] + 128 * half + i;
                ql[i] = uint8_t((c[0] & 15) | (c[64] & 15) << 4);
                ql[i + 32] = uint8_t((c[32] & 15) | (c[96] & 15) << 4);
                qh[i] = uint8_t(c[0] >> 4 | (c[32] >> 4) << 2 | (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
            }
    }
}

constexpr Format formats[] = {
    {GGML_TYPE_Q8_0, 64, 2 * 34, 64 + 2 * 512, ActivationKind::block32_bias128, pack_q8_0, unpack_q8_0},
    {GGML_TYPE_Q4_0, 64, 2 * 18, 64 + 2 * 256, ActivationKind::block32_bias8, pack_q4_0, unpack_q4_0},
    {GGML_TYPE_Q5_0, 64, 2 * 22, 64 + 2 * 320, ActivationKind::block32_bias16, pack_q5_0, unpack_q5_0},
    {GGML_TYPE_Q4_K, 256, 144, 320 + 8 * 256, ActivationKind::super_mins, pack_q4_k, unpack_q4_k},
    {GGML_TYPE_Q6_K, 256, 210, 320 + 8 * 384, ActivationKind::super_bias32, pack_q6_k, unpack_q6_k},
};

}  // namespace

std::span<const Format> all_formats() { return formats; }

const Format* find_format(ggml_type type) {
    for (const Format& f : formats)
        if (f.type == type) return &f;
    return nullptr;
}

namespace {

// The bytes of strip block b of the 16 rows of a strip; rows past the end get `filler`.
template <class Byte>
void point_at_rows(Byte** p, const Format& f, int64_t k, int64_t rows, int64_t strip, int64_t b, Byte* data, Byte* filler) {
    for (int r = 0; r < strip_rows; ++r) {
        const int64_t row = strip * strip_rows + r;
        p[r] = row < rows ? data + row * f.row_bytes(k) + b * f.row_block_bytes : filler;
    }
}

}  // namespace

void pack_rows(const Format& f, int64_t k, int64_t rows, const void* file_layout, void* strips) {
    static constexpr uint8_t zeros[256] = {};
    const auto* in = static_cast<const uint8_t*>(file_layout);
    auto* out = static_cast<uint8_t*>(strips);
#pragma omp parallel for schedule(static)
    for (int64_t s = 0; s < strips_of(rows); ++s) {
        for (int64_t b = 0; b < k / f.strip_k; ++b) {
            const uint8_t* p[strip_rows];
            point_at_rows(p, f, k, rows, s, b, in, zeros);
            f.pack(p, out + s * f.strip_bytes(k) + b * f.strip_block_bytes);
        }
    }
}

void unpack_rows(const Format& f, int64_t k, int64_t rows, const void* strips, void* file_layout) {
    uint8_t ignored[256];
    const auto* in = static_cast<const uint8_t*>(strips);
    auto* out = static_cast<uint8_t*>(file_layout);
    for (int64_t s = 0; s < strips_of(rows); ++s) {
        for (int64_t b = 0; b < k / f.strip_k; ++b) {
            uint8_t* p[strip_rows];
            point_at_rows(p, f, k, rows, s, b, out, ignored);
            f.unpack(in + s * f.strip_bytes(k) + b * f.strip_block_bytes, p);
        }
    }
}

}  // namespace weft::kernels
