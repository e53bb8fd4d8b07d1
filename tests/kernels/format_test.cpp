#include "layout/format.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

#include "noise.h"

namespace weft::kernels {
namespace {

std::vector<uint8_t> random_bytes(size_t n) {
    std::mt19937 random(3);
    std::vector<uint8_t> out(n);
    for (uint8_t& byte : out) byte = uint8_t(random());
    return out;
}

}  // namespace

TEST_CASE("packing a matrix and unpacking it gives every byte of the file back, whatever the bytes say") {
    for (const Format& f : all_formats()) {
        for (const int64_t rows : {1, 15, 16, 17, 69}) {
            INFO(ggml_type_name(f.type) << ", " << rows << " rows");
            constexpr int64_t k = 512;
            const auto file = random_bytes(f.row_bytes(k) * size_t(rows));
            const AlignedBytes strips(f.packed_bytes(k, rows));
            std::vector<uint8_t> again(file.size());
            pack_rows(f, k, rows, file.data(), strips.data());
            unpack_rows(f, k, rows, strips.data(), again.data());
            CHECK(file == again);
        }
    }
}

TEST_CASE("a format's sizes are those of ggml's blocks") {
    for (const Format& f : all_formats()) {
        INFO(ggml_type_name(f.type));
        CHECK(f.row_block_bytes == ggml_row_size(f.type, f.strip_k));
        CHECK(f.strip_block_bytes % 64 == 0);
    }
}

TEST_CASE("packed weights take no more than a tenth above their size in the file") {
    for (const Format& f : all_formats()) {
        INFO(ggml_type_name(f.type));
        CHECK(double(f.strip_block_bytes) <= 1.1 * 16 * double(f.row_block_bytes));
    }
}

}  // namespace weft::kernels
