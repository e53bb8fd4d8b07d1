// Speed of attention alone, on one thread in processor time, for each instruction set: GFLOP/s of 512 tokens behind others, and
// GB/s of the KV cache for one token.
// attention_speed [ISA]
#include <cstdio>
#include <cstring>
#include <ctime>

#include <algorithm>
#include <random>
#include <vector>

#include "isa/isa.h"
#include "ops/attention_job.h"

namespace weft::kernels {
namespace {

constexpr int64_t kv_heads = 8, group = 4;
constexpr uint16_t hidden = 0xfc00;  // -inf as a half

double now() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

void measure(const Isa& isa, int size, int64_t tokens, int64_t before) {
    const int64_t cells = before + tokens;
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> q(size_t(tokens * kv_heads * group * size));
    for (float& x : q) x = normal(random);
    std::vector<uint16_t> k(size_t(cells * kv_heads * size)), v(k.size());
    for (uint16_t& x : k) x = ggml_fp32_to_fp16(normal(random));
    for (uint16_t& x : v) x = ggml_fp32_to_fp16(normal(random));
    std::vector<uint16_t> mask(size_t(tokens * cells));
    for (int64_t t = 0; t < tokens; ++t) std::fill(&mask[size_t(t * cells + before + t) + 1], mask.data() + (t + 1) * cells, hidden);
    std::vector<float> out(q.size());
    std::vector<int32_t> list(size_t(cells + AttentionScratch::slack));
    std::vector<float> values(list.size());
    const AttentionJob job{.q = reinterpret_cast<const char*>(q.data()), .k = reinterpret_cast<const char*>(k.data()),
                           .v = reinterpret_cast<const char*>(v.data()), .mask = reinterpret_cast<const char*>(mask.data()),
                           .out = reinterpret_cast<char*>(out.data()), .q_token = 4 * kv_heads * group * size, .q_head = 4 * size,
                           .k_cell = 2 * kv_heads * size, .k_head = 2 * size, .v_cell = 2 * kv_heads * size, .v_head = 2 * size,
                           .mask_token = 2 * cells, .out_token = 4 * kv_heads * group * size, .out_head = 4 * size, .tokens = tokens,
                           .cells = cells, .kv_heads = kv_heads, .group = group, .size = size, .k_type = KvType::f16,
                           .v_type = KvType::f16, .scale = 0.125f, .soft_cap = 0};
    double best = 1e9;
    for (int round = 0; round < 5; ++round) {
        const double start = now();
        for (int64_t row = 0; row < job.rows(); row += attention_rows)
            isa.attend(job, row, std::min(row + attention_rows, job.rows()), 0, kv_heads - 1, false,
                       {.cells = list.data(), .values = values.data()});
        best = std::min(best, now() - start);
    }
    std::printf("heads of %3d, %3d tokens behind %4d: ", size, int(tokens), int(before));
    const double looks = double(tokens) * double(before) + double(tokens) * double(tokens + 1) / 2;
    if (tokens == 1) std::printf("%.1f GB/s\n", 4.0 * double(cells) * kv_heads * size / best / 1e9);
    else std::printf("%.1f GFLOP/s\n", 4.0 * looks * kv_heads * group * size / best / 1e9);
}

}  // namespace
}  // namespace weft::kernels

int main(int argc, char** argv) {
    using namespace weft::kernels;
    for (const Isa* isa : usable_isas()) {
        if (argc > 1 && std::strcmp(argv[1], isa->name) != 0) continue;
        std::printf("%s\n", isa->name);
        for (const int size : {64, 128}) {
            measure(*isa, size, 512, 0);
            measure(*isa, size, 512, 3584);
            measure(*isa, size, 1, 4095);
        }
    }
}
