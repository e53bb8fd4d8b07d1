#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace weft {

// The random numbers of one sequence: xoshiro256++ (Blackman and Vigna, 2019), its state filled from the seed by
// SplitMix64. Only integer arithmetic and one exact conversion, so the same seed gives the same numbers on every
// platform and with every standard library. Not for secrets.
class Random {
  public:
    explicit constexpr Random(std::uint64_t seed) {
        for (auto& word : state_) word = split_mix(seed);
    }

    constexpr std::uint64_t next() {
        const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    // Uniform in [0, 1): the upper 53 bits, which a double holds exactly.
    constexpr double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }

  private:
    static constexpr std::uint64_t split_mix(std::uint64_t& seed) {
        seed += 0x9e3779b97f4a7c15ULL;
        std::uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
        return mixed ^ (mixed >> 31U);
    }

    std::array<std::uint64_t, 4> state_{};
};

}  // namespace weft
