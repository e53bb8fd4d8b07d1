// What this machine can do at most, as JSON: integer multiply-adds of AVX-512 VNNI or AVX-VNNI on all OpenMP threads, and reading
// memory. The goals of bench/kernels are shares of these.
#include <immintrin.h>
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

constexpr size_t memory_bytes = size_t(1) << 30;  // beyond any cache
constexpr int rounds = 7;
constexpr int64_t steps = 2'000'000, chains = 12;  // 12 sums hide the 5 cycles that each step takes

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The shortest of some rounds of f on all threads, in seconds.
template <class F>
double best(F f) {
    double shortest = 1e9;
    for (int i = 0; i < rounds; ++i) {
        const double start = now();
#pragma omp parallel
        f(omp_get_thread_num(), omp_get_num_threads());
        shortest = std::min(shortest, now() - start);
    }
    return shortest;
}

#define TWELVE(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)

[[gnu::target("avx512f,avx512vnni")]] void multiply_zmm() {
    const __m512i x = _mm512_set1_epi32(0x01010101);
    __m512i sum[chains];
    for (auto& s : sum) s = _mm512_setzero_si512();
#define STEP(i) asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum[i]) : "v"(x));
    for (int64_t n = 0; n < steps; ++n) { TWELVE(STEP) }
#undef STEP
}

[[gnu::target("avx2,avxvnni")]] void multiply_ymm() {
    const __m256i x = _mm256_set1_epi32(0x01010101);
    __m256i sum[chains];
    for (auto& s : sum) s = _mm256_setzero_si256();
#define STEP(i) asm volatile("%{vex%} vpdpbusd %1, %1, %0" : "+x"(sum[i]) : "x"(x));
    for (int64_t n = 0; n < steps; ++n) { TWELVE(STEP) }
#undef STEP
}

double vnni_gops() {
    const double operations = 2.0 * 4 * chains * steps * omp_get_max_threads();
    if (__builtin_cpu_supports("avx512vnni")) return operations * 16 / best([](int, int) { multiply_zmm(); }) / 1e9;
    if (__builtin_cpu_supports("avxvnni")) return operations * 8 / best([](int, int) { multiply_ymm(); }) / 1e9;
    return 0;
}

[[gnu::target("avx2")]] void read_share(const uint8_t* memory, int thread, int threads) {
    const size_t share = memory_bytes / size_t(threads) / 4096 * 4096;
    const auto* from = memory + share * size_t(thread);
    __m256i sum[4] = {};
    for (size_t i = 0; i < share; i += 128) {
        for (size_t j = 0; j < 4; ++j) {
            _mm_prefetch(from + i + 4096 + 32 * j, _MM_HINT_T0);
            sum[j] = _mm256_add_epi64(sum[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i + 32 * j)));
        }
    }
    asm volatile("" : : "x"(sum[0]), "x"(sum[1]), "x"(sum[2]), "x"(sum[3]));
}

double read_gb_per_second() {
    if (!__builtin_cpu_supports("avx2")) return 0;
    void* memory = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    madvise(memory, memory_bytes, MADV_HUGEPAGE);
    std::memset(memory, 1, memory_bytes);
    const auto* bytes = static_cast<const uint8_t*>(memory);
    return double(memory_bytes) / best([bytes](int thread, int threads) { read_share(bytes, thread, threads); }) / 1e9;
}

}  // namespace

int main() {
    std::printf("{\"threads\": %d, \"vnni_gops\": %.1f, \"read_gb_per_second\": %.2f}\n", omp_get_max_threads(), vnni_gops(),
                read_gb_per_second());
}
