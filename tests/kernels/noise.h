#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

namespace weft::kernels {

inline std::vector<float> normal_noise(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& v : out) v = normal(random);
    return out;
}

// Bytes whose start is 64-byte aligned, with room past the end for prefetches to stay inside.
class AlignedBytes {
  public:
    explicit AlignedBytes(size_t n) : bytes_(static_cast<uint8_t*>(std::aligned_alloc(64, (n + 63) / 64 * 64)), &std::free) {}
    [[nodiscard]] uint8_t* data() const { return bytes_.get(); }

  private:
    std::unique_ptr<uint8_t, void (*)(void*)> bytes_;
};

}  // namespace weft::kernels
