// How 32 codes of each of 16 rows lie in a strip. A "group" is 4 consecutive k of 16 rows, 64 bytes, row r at bytes
// 4r..4r+3: one operand of vpdpbusd. 32 k are groups 0..7. What unpacks them again with vectors is in isa/unpack.h.
#pragma once

#include <cstdint>
#include <cstring>

namespace weft::kernels {

inline constexpr int strip_rows = 16;

// The codes of 16 rows, 32 k each, as four codes a word.
struct Codes32 {
    uint32_t words[strip_rows][8];
};

inline void put_word(uint8_t* group, int row, uint32_t word) { std::memcpy(group + 4 * row, &word, 4); }
inline uint32_t get_word(const uint8_t* group, int row) {
    uint32_t word;
    std::memcpy(&word, group + 4 * row, 4);
    return word;
}

// One byte a code.
struct ByteCodes {
    static constexpr int bytes = 512, largest = 255;
    static void put(const Codes32& codes, uint8_t* out) {
        for (int g = 0; g < 8; ++g)
            for (int r = 0; r < strip_rows; ++r) put_word(out + 64 * g, r, codes.words[r][g]);
    }
    static void get(const uint8_t* in, Codes32& codes) {
        for (int g = 0; g < 8; ++g)
            for (int r = 0; r < strip_rows; ++r) codes.words[r][g] = get_word(in + 64 * g, r);
    }
};

// Two codes a byte: low nibbles are groups 0..3, high nibbles groups 4..7.
struct NibbleCodes {
    static constexpr int bytes = 256, largest = 15;
    static void put(const Codes32& codes, uint8_t* out) {
        constexpr uint32_t low = 0x0f0f0f0f;
        for (int g = 0; g < 4; ++g)
            for (int r = 0; r < strip_rows; ++r)
                put_word(out + 64 * g, r, (codes.words[r][g] & low) | (codes.words[r][g + 4] & low) << 4);
    }
    static void get(const uint8_t* in, Codes32& codes) {
        constexpr uint32_t low = 0x0f0f0f0f;
        for (int g = 0; g < 4; ++g)
            for (int r = 0; r < strip_rows; ++r) {
                const uint32_t both = get_word(in + 64 * g, r);
                codes.words[r][g] = both & low;
                codes.words[r][g + 4] = both >> 4 & low;
            }
    }
};

// Bit g of one byte vector is bit `Bit` of group g's codes.
template <int Bit>
struct BitPlane {
    static constexpr int bytes = 64, largest = 1 << Bit;
    static void put(const Codes32& codes, uint8_t* out) {
        for (int r = 0; r < strip_rows; ++r) {
            uint32_t word = 0;
            for (int g = 0; g < 8; ++g) word |= (codes.words[r][g] >> Bit & 0x01010101) << g;
            put_word(out, r, word);
        }
    }
    static void add(const uint8_t* in, Codes32& codes) {
        for (int r = 0; r < strip_rows; ++r)
            for (int g = 0; g < 8; ++g) codes.words[r][g] |= (get_word(in, r) >> g & 0x01010101) << Bit;
    }
};

// Bits Bit and Bit + 1: byte vector h holds groups 4h..4h+3 at bits 0, 2, 4, 6.
template <int Bit>
struct PairPlane {
    static constexpr int bytes = 128, largest = 3 << Bit;
    static void put(const Codes32& codes, uint8_t* out) {
        for (int h = 0; h < 2; ++h)
            for (int r = 0; r < strip_rows; ++r) {
                uint32_t word = 0;
                for (int g = 0; g < 4; ++g) word |= (codes.words[r][4 * h + g] >> Bit & 0x03030303) << 2 * g;
                put_word(out + 64 * h, r, word);
            }
    }
    static void add(const uint8_t* in, Codes32& codes) {
        for (int g = 0; g < 8; ++g)
            for (int r = 0; r < strip_rows; ++r)
                codes.words[r][g] |= (get_word(in + 64 * (g / 4), r) >> 2 * (g % 4) & 0x03030303) << Bit;
    }
};

template <class Low, class High>
struct TwoPlanes {
    static constexpr int bytes = Low::bytes + High::bytes, largest = Low::largest + High::largest;
    static void put(const Codes32& codes, uint8_t* out) {
        Low::put(codes, out);
        High::put(codes, out + Low::bytes);
    }
    static void get(const uint8_t* in, Codes32& codes) {
        Low::get(in, codes);
        High::add(in + Low::bytes, codes);
    }
};

struct PairCodes {
    static constexpr int bytes = PairPlane<0>::bytes, largest = 3;
    static void put(const Codes32& codes, uint8_t* out) { PairPlane<0>::put(codes, out); }
    static void get(const uint8_t* in, Codes32& codes) {
        codes = {};
        PairPlane<0>::add(in, codes);
    }
};

using ThreeBitCodes = TwoPlanes<PairCodes, BitPlane<2>>;
using FiveBitCodes = TwoPlanes<NibbleCodes, BitPlane<4>>;
using SixBitCodes = TwoPlanes<NibbleCodes, PairPlane<4>>;

// Nibbles that stand for numbers of a table; Table::values[16], offset included, 0..255.
template <class Table>
struct TableCodes : NibbleCodes {
    using table = Table;
    static constexpr int largest = Table::largest;
};

}  // namespace weft::kernels
