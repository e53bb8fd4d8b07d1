#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace weft::kernels {

inline std::vector<float> normal_noise(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& v : out) v = normal(random);
    return out;
}

// 64-byte aligned memory between two pages that nobody may touch, its end at the second: a kernel that reads or writes past its
// memory ends the test, sanitizer or not. (Prefetches do not fault.)
class AlignedBytes {
  public:
    explicit AlignedBytes(size_t n) : inside_((n + page - 1) / page * page) {
        map_ = static_cast<uint8_t*>(mmap(nullptr, inside_ + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(map_, page, PROT_NONE);
        mprotect(map_ + page + inside_, page, PROT_NONE);
        data_ = map_ + page + inside_ - (n + 63) / 64 * 64;
    }
    ~AlignedBytes() {
        if (map_) munmap(map_, inside_ + 2 * page);
    }
    AlignedBytes(AlignedBytes&& other) noexcept : inside_(other.inside_), map_(std::exchange(other.map_, nullptr)), data_(other.data_) {}
    AlignedBytes& operator=(AlignedBytes&&) = delete;
    [[nodiscard]] uint8_t* data() const { return data_; }

  private:
    static constexpr size_t page = 4096;
    size_t inside_;
    uint8_t *map_ = nullptr, *data_ = nullptr;
};

}  // namespace weft::kernels
