// Codes of a strip, back into one register a group. Written once for all instruction sets: V is Avx512 or Avx2.
#pragma once

#include "layout/codes.h"

#define UNROLL _Pragma("GCC unroll 16")

namespace weft::kernels {
namespace {

template <class V>
struct Unpack {
    using Groups = typename V::Bytes[8];

    static void codes(ByteCodes, const uint8_t* in, Groups& w) {
        UNROLL
        for (int g = 0; g < 8; ++g) w[g] = V::load_bytes(in + 64 * g);
    }
    static void codes(NibbleCodes, const uint8_t* in, Groups& w) {
        const auto mask = V::splat_byte(15);
        UNROLL
        for (int g = 0; g < 4; ++g) {
            const auto both = V::load_bytes(in + 64 * g);
            w[g] = V::both(both, mask);
            w[g + 4] = V::both(V::right(both, 4), mask);
        }
    }
    template <class Table>
    static void codes(TableCodes<Table>, const uint8_t* in, Groups& w) {
        codes(NibbleCodes{}, in, w);
        UNROLL
        for (int g = 0; g < 8; ++g) w[g] = V::lookup(Table::values, w[g]);
    }
    static void codes(PairCodes, const uint8_t* in, Groups& w) {
        UNROLL
        for (int g = 0; g < 8; ++g) w[g] = V::splat_byte(0);
        add(PairPlane<0>{}, in, w);
    }
    template <class Low, class High>
    static void codes(TwoPlanes<Low, High>, const uint8_t* in, Groups& w) {
        codes(Low{}, in, w);
        add(High{}, in + Low::bytes, w);
    }

  private:
    // Moves bits by `by` places, to the left if positive.
    static typename V::Bytes moved(typename V::Bytes x, int by) { return by >= 0 ? V::left(x, by) : V::right(x, -by); }

    template <int Bit>
    static void add(BitPlane<Bit>, const uint8_t* in, Groups& w) {
        const auto mask = V::splat_byte(1 << Bit), plane = V::load_bytes(in);
        UNROLL
        for (int g = 0; g < 8; ++g) w[g] = V::either(w[g], V::both(moved(plane, Bit - g), mask));
    }
    template <int Bit>
    static void add(PairPlane<Bit>, const uint8_t* in, Groups& w) {
        const auto mask = V::splat_byte(3 << Bit);
        UNROLL
        for (int h = 0; h < 2; ++h) {
            const auto plane = V::load_bytes(in + 64 * h);
            UNROLL
            for (int g = 0; g < 4; ++g)
                w[4 * h + g] = V::either(w[4 * h + g], V::both(moved(plane, Bit - 2 * g), mask));
        }
    }
};

}  // namespace
}  // namespace weft::kernels
