// How weights lie in memory after loading: strips of 16 rows, one row per 32-bit lane of a zmm register.
//
// The last strip is filled up with zero rows. A strip is a sequence of strip blocks along k. Each strip block starts with the scales of its 16 rows and goes on with
// the codes. A "group" is 4 consecutive k of 16 rows, 64 bytes, row r at bytes 4r..4r+3: one operand of vpdpbusd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ggml.h>

namespace weft::kernels {

inline constexpr int strip_rows = 16;
constexpr int64_t strips_of(int64_t rows) { return (rows + strip_rows - 1) / strip_rows; }

// Which activation layout a weight format multiplies with.
enum class ActivationKind { block32_bias128, block32_bias16, block32_bias8, super_mins, super_bias32 };

struct Format {
    ggml_type type;
    int strip_k;              // k covered by one strip block; a row length must be a multiple of it
    size_t row_block_bytes;   // bytes of strip_k weights of one row as stored in a GGUF file
    size_t strip_block_bytes; // bytes of strip_k weights of 16 rows here; a multiple of 64
    ActivationKind activations;
    // Both directions are lossless. `rows` holds 16 pointers to the file's bytes for this strip block.
    void (*pack)(const uint8_t* const* rows, uint8_t* strip_block);
    void (*unpack)(const uint8_t* strip_block, uint8_t* const* rows);

    size_t strip_bytes(int64_t k) const { return size_t(k / strip_k) * strip_block_bytes; }
    size_t packed_bytes(int64_t k, int64_t rows) const { return size_t(strips_of(rows)) * strip_bytes(k); }
    size_t row_bytes(int64_t k) const { return size_t(k / strip_k) * row_block_bytes; }
};

std::span<const Format> all_formats();

// Null when there is no kernel for the type.
const Format* find_format(ggml_type type);

void pack_rows(const Format&, int64_t k, int64_t rows, const void* file_layout, void* strips);
void unpack_rows(const Format&, int64_t k, int64_t rows, const void* strips, void* file_layout);

}  // namespace weft::kernels
