#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <functional>

#include "isa/isa.h"
#include "noise.h"

namespace weft::kernels {
namespace {

constexpr double tolerance = 2e-3;

using Mask = std::function<float(int64_t token, int64_t cell)>;
const Mask causal = [](int64_t token, int64_t cell) { return cell <= token + 60 ? 0.0f : -INFINITY; };
const Mask one_in_eight = [](int64_t token, int64_t cell) { return cell % 8 == token % 8 ? 0.0f : -INFINITY; };
const Mask slope = [](int64_t token, int64_t cell) { return cell <= token + 40 ? -0.25f * float(token + 40 - cell) : -INFINITY; };

struct Case {
    int size = 64;
    int64_t tokens = 9, cells = 131, kv_heads = 2, group = 2;
    KvType kv = KvType::f16;
    float soft_cap = 0;
    Mask mask = causal;
    std::vector<float> sinks{};  // one of each query head, or none
};

// One attention with all its memory, and what it should come to.
class Attention {
  public:
    explicit Attention(const Case& c) : case_(c) {
        const size_t kv_floats = size_t(c.cells * c.kv_heads * c.size);
        q_ = normal_noise(size_t(c.tokens * c.kv_heads * c.group * c.size), 1);
        k_ = stored(normal_noise(kv_floats, 2), k_bytes_);
        v_ = stored(normal_noise(kv_floats, 3), v_bytes_);
        for (int64_t t = 0; c.mask && t < c.tokens; ++t)
            for (int64_t i = 0; i < c.cells; ++i) mask_.push_back(ggml_fp32_to_fp16(c.mask(t, i)));
    }

    // So many rows a call.
    std::vector<float> computed(const Isa& isa, bool row_by_row = false, int64_t first_token = 0, int64_t tokens = -1,
                                int64_t at_once = attention_rows) const {
        const Case& c = case_;
        const int64_t heads = c.kv_heads * c.group, head_bytes = row_bytes(c.size);
        if (tokens < 0) tokens = c.tokens;
        // What is read or written past one of these ends the test.
        const AlignedBytes q = copied(q_.data() + first_token * heads * c.size, size_t(tokens * heads * c.size)),
                           k = copied(k_bytes_.data(), k_bytes_.size()), v = copied(v_bytes_.data(), v_bytes_.size()),
                           mask = copied(mask_.data() + (mask_.empty() ? 0 : first_token * c.cells), mask_.empty() ? 0 : size_t(tokens * c.cells)),
                           cells(size_t(c.cells + AttentionScratch::slack) * 4), values(size_t(c.cells + AttentionScratch::slack) * 4);
        std::vector<float> out(size_t(tokens * heads * c.size), NAN);
        const AlignedBytes out_memory = copied(out.data(), out.size());
        const AttentionScratch scratch{.cells = reinterpret_cast<int32_t*>(cells.data()), .values = reinterpret_cast<float*>(values.data())};
        const AttentionJob job{
            .q = reinterpret_cast<const char*>(q.data()),
            .k = reinterpret_cast<const char*>(k.data()), .v = reinterpret_cast<const char*>(v.data()),
            .mask = mask_.empty() ? nullptr : reinterpret_cast<const char*>(mask.data()),
            .out = reinterpret_cast<char*>(out_memory.data()), .q_token = heads * c.size * 4, .q_head = c.size * 4,
            .k_cell = c.kv_heads * head_bytes, .k_head = head_bytes, .v_cell = c.kv_heads * head_bytes, .v_head = head_bytes,
            .mask_token = c.cells * 2, .out_token = heads * c.size * 4, .out_head = c.size * 4,
            .tokens = tokens, .cells = c.cells, .kv_heads = c.kv_heads, .group = c.group, .size = c.size,
            .k_type = c.kv, .v_type = c.kv, .scale = 1 / std::sqrt(float(c.size)), .soft_cap = c.soft_cap,
            .sinks = c.sinks.empty() ? nullptr : c.sinks.data()};
        for (int64_t row = 0; row < job.rows(); row += at_once)
            isa.attend(job, row, std::min(row + at_once, job.rows()), 0, c.kv_heads - 1, row_by_row, scratch);
        std::memcpy(out.data(), out_memory.data(), out.size() * sizeof(float));
        return out;
    }

    double error(const std::vector<float>& out) const {
        const Case& c = case_;
        double error = 0, power = 0;
        const int64_t heads = c.kv_heads * c.group;
        for (int64_t t = 0; t < c.tokens; ++t)
            for (int64_t h = 0; h < heads; ++h) {
                const auto want = expected(t, h);
                for (int d = 0; d < c.size; ++d) {
                    error += std::pow(want[size_t(d)] - out[size_t((t * heads + h) * c.size + d)], 2);
                    power += std::pow(want[size_t(d)], 2);
                }
            }
        return std::sqrt(error / power);
    }

  private:
    template <class T>
    static AlignedBytes copied(const T* from, size_t n) {
        AlignedBytes memory(n * sizeof(T));
        if (n > 0) std::memcpy(memory.data(), from, n * sizeof(T));
        return memory;
    }
    int64_t row_bytes(int64_t n) const { return case_.kv == KvType::f16 ? 2 * n : n / 32 * 34; }

    // The values as the cache keeps them, and as floats again.
    std::vector<float> stored(const std::vector<float>& values, std::vector<uint8_t>& bytes) const {
        const auto type = case_.kv == KvType::f16 ? GGML_TYPE_F16 : GGML_TYPE_Q8_0;
        const auto n = int64_t(values.size());
        bytes.resize(size_t(row_bytes(n)));
        ggml_quantize_chunk(type, values.data(), bytes.data(), 0, 1, n, nullptr);
        std::vector<float> back(values.size());
        ggml_get_type_traits(type)->to_float(bytes.data(), back.data(), n);
        return back;
    }

    std::vector<double> expected(int64_t token, int64_t head) const {
        const Case& c = case_;
        const float* q = q_.data() + (token * c.kv_heads * c.group + head) * c.size;
        std::vector<double> out(size_t(c.size), 0.0);
        double sum = c.sinks.empty() ? 0 : std::exp(double(c.sinks[size_t(head)]));
        for (int64_t i = 0; i < c.cells; ++i) {
            const float mask = c.mask ? c.mask(token, i) : 0;
            if (mask == -INFINITY) continue;
            const size_t at = size_t((i * c.kv_heads + head / c.group) * c.size);
            double score = 0;
            for (int d = 0; d < c.size; ++d) score += double(q[d]) * k_[at + size_t(d)];
            score /= std::sqrt(double(c.size));
            if (c.soft_cap != 0) score = c.soft_cap * std::tanh(score / c.soft_cap);
            const double weight = std::exp(score + mask);
            sum += weight;
            for (int d = 0; d < c.size; ++d) out[size_t(d)] += weight * v_[at + size_t(d)];
        }
        for (double& v : out) v /= sum > 0 ? sum : 1;
        return out;
    }

    Case case_;
    std::vector<float> q_, k_, v_;
    std::vector<uint8_t> k_bytes_, v_bytes_;
    std::vector<ggml_fp16_t> mask_;
};

void check(const Case& c) {
    const Attention attention(c);
    for (const Isa* isa : usable_isas()) {
        INFO(isa->name << ", heads of " << c.size << ", " << c.tokens << " tokens, group of " << c.group);
        CHECK(attention.error(attention.computed(*isa)) < tolerance);
        CHECK(attention.error(attention.computed(*isa, false, 0, -1, 16)) < tolerance);
        CHECK(attention.error(attention.computed(*isa, true)) < tolerance);
    }
}

}  // namespace

TEST_CASE("attention agrees with plain loops for every head size") {
    for (const int size : {64, 80, 96, 112, 128, 192, 256}) check({.size = size});
}

TEST_CASE("attention agrees for one token and for many, and for heads that share a KV head or not") {
    for (const int64_t tokens : {1, 2, 16, 35})
        for (const int64_t group : {1, 2, 3, 4, 7, 8, 16, 20}) check({.tokens = tokens, .group = group});
}

TEST_CASE("attention agrees over more rows than one call computes and more cells than are softened at once") {
    const Mask every_third = [](int64_t token, int64_t cell) { return cell % 3 == 0 && cell <= token + 200 ? 0.0f : -INFINITY; };
    for (const int64_t tokens : {1, 5, 33, 70})
        for (const int64_t group : {1, 4})
            for (const int64_t cells : {127, 128, 300})
                for (const Mask& mask : {causal, every_third}) check({.tokens = tokens, .cells = cells, .kv_heads = 1, .group = group, .mask = mask});
}

TEST_CASE("tokens of different sequences each see their own cells") { check({.tokens = 24, .mask = one_in_eight}); }

TEST_CASE("attention works without a mask, with a mask of numbers and with a soft cap") {
    check({.mask = nullptr});
    check({.mask = slope});
    check({.soft_cap = 5, .mask = slope});
    check({.tokens = 1, .soft_cap = 30});
}

TEST_CASE("a sink of each head takes its part of the weights and adds nothing") {
    for (const int64_t tokens : {1, 9, 40}) {
        check({.tokens = tokens, .sinks = {0.5f, -2, 3, 1}});
        check({.tokens = tokens, .mask = one_in_eight, .sinks = {0.5f, -2, 3, 1}});
        check({.tokens = tokens, .group = 4, .sinks = {-100, -1, 0, 1, 2, 3, 4, 20}});
    }
    check({.tokens = 2, .mask = [](int64_t, int64_t cell) { return cell < 64 ? 0.0f : -INFINITY; }, .sinks = {0, 0, 0, 100}});
}

TEST_CASE("a Q8_0 KV cache is read as it is") {
    for (const int size : {64, 96, 128}) check({.size = size, .kv = KvType::q8_0});
    check({.tokens = 1, .group = 4, .kv = KvType::q8_0});
}

TEST_CASE("a token that sees no cell gets zeros") {
    const Attention attention({.tokens = 2, .mask = [](int64_t token, int64_t) { return token == 0 ? 0.0f : -INFINITY; }});
    for (const Isa* isa : usable_isas())
        for (const bool row_by_row : {false, true}) {
            const auto out = attention.computed(*isa, row_by_row);
            for (size_t i = out.size() / 2; i < out.size(); ++i) CHECK(out[i] == 0);
        }
}

TEST_CASE("row by row, a token's result is the same to the last bit whoever else is in the batch") {
    // With a group of 7 a call ends within a token.
    for (const Case& c : {Case{.tokens = 12, .group = 4}, Case{.tokens = 25, .cells = 300, .group = 7},
                          Case{.tokens = 25, .cells = 300, .group = 3, .kv = KvType::q8_0, .mask = slope}}) {
        const Attention attention(c);
        for (const Isa* isa : usable_isas()) {
            const auto all = attention.computed(*isa, true);
            for (int64_t t = 0; t < c.tokens; ++t) {
                const auto alone = attention.computed(*isa, true, t, 1);
                CHECK(std::equal(alone.begin(), alone.end(), all.begin() + t * int64_t(alone.size())));
            }
        }
    }
}

TEST_CASE("sequences that share a prefix agree, as do some that share and some that don't") {
    const Mask prefix = [](int64_t token, int64_t cell) { return cell < 150 || cell % 16 == token % 16 ? 0.0f : -INFINITY; };
    const Mask some = [](int64_t token, int64_t cell) { return (token < 20 ? cell <= token + 40 : cell >= 200 && cell % 8 == token % 8) ? 0.0f : -INFINITY; };
    for (const int64_t group : {1, 4, 7}) {
        check({.tokens = 16, .cells = 260, .group = group, .mask = prefix});
        check({.tokens = 32, .cells = 280, .group = group, .mask = some});
    }
}

}  // namespace weft::kernels
