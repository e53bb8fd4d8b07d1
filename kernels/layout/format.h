// How weights lie in memory after loading: strips of 16 rows, one row per 32-bit lane of a zmm register.
//
// The last strip is filled up with zero rows. A strip is a sequence of strip blocks along k. Each strip block starts with
// the scales of its 16 rows and goes on with the codes. One layout serves all instruction sets: a group of 64 bytes is one
// zmm, two ymm, or one row of an AMX tile.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "layout/activations.h"
#include "layout/codes.h"

namespace weft::kernels {

constexpr int64_t strips_of(int64_t rows) { return (rows + strip_rows - 1) / strip_rows; }

// Bytes that a row's part of a strip block has at most in a file.
inline constexpr size_t largest_row_block = 256;

struct Format {
    ggml_type type;
    int strip_k;               // k covered by one strip block; a row length must be a multiple of it, unless
    bool pads;                 // the end of a row is filled up with zeros
    size_t row_block_bytes;    // bytes of strip_k weights of one row as stored in a GGUF file
    size_t strip_block_bytes;  // bytes of strip_k weights of 16 rows here; a multiple of 64
    Activations activations;
    // Both directions are lossless. `rows` holds 16 pointers to the file's bytes for this strip block.
    void (*pack)(const uint8_t* const* rows, uint8_t* strip_block);
    void (*unpack)(const uint8_t* strip_block, uint8_t* const* rows);

    [[nodiscard]] int64_t packed_k(int64_t k) const { return (k + strip_k - 1) / strip_k * strip_k; }
    [[nodiscard]] size_t strip_bytes(int64_t k) const { return size_t(packed_k(k) / strip_k) * strip_block_bytes; }
    [[nodiscard]] size_t packed_bytes(int64_t k, int64_t rows) const { return size_t(strips_of(rows)) * strip_bytes(k); }
    [[nodiscard]] size_t row_bytes(int64_t k) const { return size_t(k) * row_block_bytes / size_t(strip_k); }
};

std::span<const Format> all_formats();

// Null when there is no kernel for the type.
const Format* find_format(ggml_type type);

// n weights in a file's layout as floats; n is a multiple of the type's block.
void to_floats(ggml_type type, const void* file_layout, float* floats, int64_t n);

// Packing is shared among OpenMP's threads; rows past the end are zeros.
void pack_rows(const Format& format, int64_t k, int64_t rows, const void* file_layout, void* strips);
void unpack_rows(const Format& format, int64_t k, int64_t rows, const void* strips, void* file_layout);

}  // namespace weft::kernels
