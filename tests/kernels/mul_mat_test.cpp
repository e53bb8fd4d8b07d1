#include "ops/mul_mat.h"
#include "ops/team.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "noise.h"

namespace weft::kernels {
namespace {

constexpr int64_t k = 512, rows = 69;  // the last strip has five rows
constexpr int64_t most_columns = 40;
constexpr double tolerance = 0.012;       // what 8-bit activations leave
constexpr double tile_tolerance = 0.004;  // weights and activations in BF16

struct Weights {
    explicit Weights(const Format& f) : format(f), strips(f.packed_bytes(k, rows)), floats(size_t(k * rows)) {
        const auto w = normal_noise(floats.size(), 7);
        std::vector<uint8_t> file(f.row_bytes(k) * rows);
        ggml_quantize_chunk(f.type, w.data(), file.data(), 0, rows, k, nullptr);
        to_floats(f.type, file.data(), floats.data(), k * rows);
        pack_rows(f, k, rows, file.data(), strips.data());
    }
    const Format& format;
    AlignedBytes strips;
    std::vector<float> floats;
};

const std::vector<float>& activations() {
    static const auto x = normal_noise(size_t(k * most_columns), 8);
    return x;
}

std::vector<float> product(const Isa& isa, const Weights& w, int64_t columns, int threads = 1, bool tiles = false) {
    const AlignedBytes dst_memory(size_t(rows * columns) * sizeof(float));
    auto* dst = reinterpret_cast<float*>(dst_memory.data());
    std::fill_n(dst, rows * columns, NAN);
    const MulMat job{.format = &w.format, .strips = w.strips.data(), .k = k, .rows = rows, .columns = columns,
                     .x = activations().data(), .x_stride = k, .dst = dst, .dst_stride = rows, .tiles = tiles};
    const AlignedBytes panels(job.panel_bytes());
    const size_t own = (job.scratch_bytes() + 63) / 64 * 64;
    const AlignedBytes scratch(own * size_t(threads));
    // Own panels are made here as shared ones are: they lie at the beginning of a thread's memory otherwise.
    Stages stages;
    stages.add(job.panels());
    stages.add(product_units(job, threads));
    stages.run(threads, [&](int thread, size_t stage, int64_t unit) {
        uint8_t* mine = scratch.data() + own * size_t(thread);
        if (stage == 0) quantise_panel(isa, job, unit, panels.data(), mine);
        else multiply(isa, job, unit, threads, panels.data(), mine);
    });
    return {dst, dst + rows * columns};
}

double relative_error(const Weights& w, const std::vector<float>& dst, int64_t columns) {
    double error = 0, power = 0;
    for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) {
            double want = 0;
            for (int64_t i = 0; i < k; ++i) want += double(w.floats[size_t(r * k + i)]) * activations()[size_t(c * k + i)];
            error += std::pow(want - dst[size_t(c * rows + r)], 2);
            power += want * want;
        }
    return std::sqrt(error / power);
}

}  // namespace

TEST_CASE("activations too small to be rounded count as zero") {
    const std::vector<float> x(size_t(k), 1e-38f);
    for (const Format& f : all_formats()) {
        const Weights w(f);
        for (const Isa* isa : usable_isas()) {
            INFO(ggml_type_name(f.type) << ", " << isa->name);
            const AlignedBytes panel(column_bytes(f.activations.kind, k));
            isa->quantise_panel(f.activations, x.data(), k, k, 1, panel.data());
            float out[strip_rows];
            isa->strip_kernel(f.type, 1)(w.strips.data(), panel.data(), k, out, strip_rows);
            for (const float value : out) CHECK(std::abs(value) < 1e-30f);
        }
    }
}

TEST_CASE("every type, instruction set and column count agrees with ggml's dequantised weights") {
    for (const Format& f : all_formats()) {
        const Weights w(f);
        for (const Isa* isa : usable_isas())
            for (int64_t columns = 1; columns <= 17; ++columns) {
                INFO(ggml_type_name(f.type) << ", " << isa->name << ", " << columns << " columns");
                CHECK(relative_error(w, product(*isa, w, columns), columns) < tolerance);
            }
    }
}

TEST_CASE("products on tiles agree with ggml's dequantised weights, for odd strips and any number of columns") {
    if (usable_isas().empty() || !usable_isas().front()->tiles) SKIP("this processor has no tiles");
    const Isa& isa = *usable_isas().front();
    for (const Format& f : all_formats()) {
        const Weights w(f);
        for (const int64_t columns : {1, 15, 16, 17, 32, 33, 40}) {
            INFO(ggml_type_name(f.type) << ", " << columns << " columns");
            CHECK(relative_error(w, product(isa, w, columns, 1, true), columns) < tile_tolerance);
            CHECK(product(isa, w, columns, 3, true) == product(isa, w, columns, 1, true));
        }
    }
}

TEST_CASE("a token's result is the same to the last bit, however many others are in the batch") {
    for (const Format& f : all_formats()) {
        const Weights w(f);
        for (const Isa* isa : usable_isas()) {
            INFO(ggml_type_name(f.type) << ", " << isa->name);
            const auto all = product(*isa, w, most_columns);
            for (const int64_t columns : {1, 2, 3, 7, 16, 33}) {
                const auto some = product(*isa, w, columns);
                CHECK(std::equal(some.begin(), some.end(), all.begin()));
            }
        }
    }
}

TEST_CASE("all instruction sets compute the same, but for those that multiply BF16") {
    for (const Format& f : all_formats()) {
        const Weights w(f);
        for (const Isa* isa : usable_isas()) {
            if (f.type == GGML_TYPE_BF16 && isa->strip_kernel(f.type, 1) == avx512bf16().strip_kernel(f.type, 1)) continue;
            INFO(ggml_type_name(f.type) << ", " << isa->name);
            CHECK(product(*isa, w, 5) == product(*usable_isas().back(), w, 5));
        }
    }
}

TEST_CASE("more threads than work, or than processors, change nothing", "[threads]") {
    const Weights w(*find_format(GGML_TYPE_Q4_K));
    for (const Isa* isa : usable_isas())
        for (const int threads : {2, 3, 16}) CHECK(product(*isa, w, 20, threads) == product(*isa, w, 20));
}

}  // namespace weft::kernels
