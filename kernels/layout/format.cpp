#include "layout/format.h"

#include <cstring>

#include "layout/fork_join.h"
#include "types/all.h"

namespace weft::kernels {
namespace {

Codes32 codes_at(const uint8_t (*codes)[256], int k0) {
    Codes32 here;
    for (int r = 0; r < strip_rows; ++r) std::memcpy(here.words[r], codes[r] + k0, 32);
    return here;
}

// --- strip blocks of two blocks of 32 k -------------------------------------------------------------------------------

template <class T>
void pack_blocks(const uint8_t* const* rows, uint8_t* out) {
    std::memset(out, 0, T::header_bytes);
    for (int b = 0; b < 2; ++b) {
        Codes32 codes;
        for (int r = 0; r < strip_rows; ++r) {
            BlockRow row{};
            T::read(rows[r] + T::file_bytes * b, row);
            if constexpr (T::scale == BlockScale::exponent) out[16 * b + r] = uint8_t(row.scale);
            else std::memcpy(out + 32 * b + 2 * r, &row.scale, 2);
            if constexpr (T::scale == BlockScale::half_and_min) std::memcpy(out + 64 + 32 * b + 2 * r, &row.min, 2);
            std::memcpy(codes.words[r], row.codes, 32);
        }
        T::Codes::put(codes, out + T::header_bytes + T::Codes::bytes * b);
    }
}

template <class T>
void unpack_blocks(const uint8_t* in, uint8_t* const* rows) {
    for (int b = 0; b < 2; ++b) {
        Codes32 codes;
        T::Codes::get(in + T::header_bytes + T::Codes::bytes * b, codes);
        for (int r = 0; r < strip_rows; ++r) {
            BlockRow row{};
            if constexpr (T::scale == BlockScale::exponent) row.scale = in[16 * b + r];
            else std::memcpy(&row.scale, in + 32 * b + 2 * r, 2);
            if constexpr (T::scale == BlockScale::half_and_min) std::memcpy(&row.min, in + 64 + 32 * b + 2 * r, 2);
            std::memcpy(row.codes, codes.words[r], 32);
            T::write(row, rows[r] + T::file_bytes * b);
        }
    }
}

// --- strip blocks of 256 k --------------------------------------------------------------------------------------------

template <class T>
void pack_super(const uint8_t* const* rows, uint8_t* out) {
    uint8_t codes[strip_rows][256];
    std::memset(out, 0, T::header_bytes);
    for (int r = 0; r < strip_rows; ++r) {
        SuperRow row{};
        T::read(rows[r], row);
        std::memcpy(out + 2 * r, &row.d, 2);
        if constexpr (T::family == Family::super_min) {
            std::memcpy(out + 32 + 2 * r, &row.dmin, 2);
            for (int j = 0; j < 8; ++j) {
                out[64 + 16 * j + r] = row.scales[j];
                out[192 + 32 * (j / 2) + 2 * r + j % 2] = row.mins[j];
            }
        } else {
            for (int j = 0; j < 16; ++j) out[64 + 16 * j + r] = row.scales[j];
        }
        std::memcpy(codes[r], row.codes, 256);
    }
    for (int j = 0; j < 8; ++j) T::Codes::put(codes_at(codes, 32 * j), out + T::header_bytes + T::Codes::bytes * j);
}

template <class T>
void unpack_super(const uint8_t* in, uint8_t* const* rows) {
    Codes32 codes[8];
    for (int j = 0; j < 8; ++j) T::Codes::get(in + T::header_bytes + T::Codes::bytes * j, codes[j]);
    for (int r = 0; r < strip_rows; ++r) {
        SuperRow row{};
        std::memcpy(&row.d, in + 2 * r, 2);
        if constexpr (T::family == Family::super_min) {
            std::memcpy(&row.dmin, in + 32 + 2 * r, 2);
            for (int j = 0; j < 8; ++j) {
                row.scales[j] = in[64 + 16 * j + r];
                row.mins[j] = in[192 + 32 * (j / 2) + 2 * r + j % 2];
            }
        } else {
            for (int j = 0; j < 16; ++j) row.scales[j] = in[64 + 16 * j + r];
        }
        for (int j = 0; j < 8; ++j) std::memcpy(row.codes + 32 * j, codes[j].words[r], 32);
        T::write(row, rows[r]);
    }
}

// --- strip blocks without scales ----------------------------------------------------------------------------------------

template <class T>
void pack_plain(const uint8_t* const* rows, uint8_t* out) {
    for (int u = 0; u < T::units; ++u)
        for (int r = 0; r < strip_rows; ++r, out += T::unit_bytes) std::memcpy(out, rows[r] + T::unit_bytes * u, T::unit_bytes);
}

template <class T>
void unpack_plain(const uint8_t* in, uint8_t* const* rows) {
    for (int u = 0; u < T::units; ++u)
        for (int r = 0; r < strip_rows; ++r, in += T::unit_bytes) std::memcpy(rows[r] + T::unit_bytes * u, in, T::unit_bytes);
}

template <class T>
constexpr Format format_of() {
    static_assert(T::strip_block_bytes % 64 == 0 && T::file_bytes * (T::strip_k / T::row_k) <= int(largest_row_block));
    Format f{.type = T::type, .strip_k = T::strip_k, .pads = T::family == Family::plain, .row_block_bytes = size_t(T::file_bytes) * (T::strip_k / T::row_k),
             .strip_block_bytes = T::strip_block_bytes, .activations = T::activations, .pack = nullptr, .unpack = nullptr};
    if constexpr (T::family == Family::block) f.pack = pack_blocks<T>, f.unpack = unpack_blocks<T>;
    else if constexpr (T::family == Family::plain) f.pack = pack_plain<T>, f.unpack = unpack_plain<T>;
    else f.pack = pack_super<T>, f.unpack = unpack_super<T>;
    return f;
}

template <class... T>
std::span<const Format> formats_of(TypeList<T...>) {
    static constexpr Format formats[] = {format_of<T>()...};
    return formats;
}

// The bytes of strip block b of the 16 rows of a strip; rows past the end get `filler`.
template <class Byte>
void point_at_rows(Byte** p, const Format& f, int64_t k, int64_t rows, int64_t strip, int64_t b, Byte* data, Byte* filler) {
    for (int r = 0; r < strip_rows; ++r) {
        const int64_t row = strip * strip_rows + r;
        p[r] = row < rows ? data + row * int64_t(f.row_bytes(k)) + b * int64_t(f.row_block_bytes) : filler;
    }
}

// The last part of 16 rows whose length is no multiple of strip_k.
struct RowEnds {
    uint8_t bytes[strip_rows][largest_row_block] = {};
};

}  // namespace

std::span<const Format> all_formats() { return formats_of(AllTypes{}); }

const Format* find_format(ggml_type type) {
    for (const Format& f : all_formats())
        if (f.type == type) return &f;
    return nullptr;
}

void to_floats(ggml_type type, const void* file_layout, float* floats, int64_t n) {
    if (type == GGML_TYPE_F32) std::memcpy(floats, file_layout, size_t(n) * sizeof(float));  // ggml has no function for it
    else ggml_get_type_traits(type)->to_float(file_layout, floats, n);
}

void pack_rows(const Format& f, int64_t k, int64_t rows, const void* file_layout, void* strips) {
    static constexpr uint8_t zeros[largest_row_block] = {};
    const auto* in = static_cast<const uint8_t*>(file_layout);
    auto* out = static_cast<uint8_t*>(strips);
    const int64_t whole_blocks = k / f.strip_k;
    const size_t rest = f.row_bytes(k % f.strip_k);
    const auto pack_strip = [&](int64_t s) {
        const uint8_t* p[strip_rows];
        uint8_t* strip = out + s * int64_t(f.strip_bytes(k));
        for (int64_t b = 0; b < whole_blocks; ++b) {
            point_at_rows(p, f, k, rows, s, b, in, zeros);
            f.pack(p, strip + b * int64_t(f.strip_block_bytes));
        }
        if (rest == 0) return;
        RowEnds ends;
        point_at_rows(p, f, k, rows, s, whole_blocks, in, zeros);
        for (int r = 0; r < strip_rows; ++r) std::memcpy(ends.bytes[r], p[r], rest), p[r] = ends.bytes[r];
        f.pack(p, strip + whole_blocks * int64_t(f.strip_block_bytes));
    };
    fork_join(omp_get_max_threads(), [&](int thread, int threads) {
        const int64_t all = strips_of(rows);
        for (int64_t s = all * thread / threads; s < all * (thread + 1) / threads; ++s) pack_strip(s);
    });
}

void unpack_rows(const Format& f, int64_t k, int64_t rows, const void* strips, void* file_layout) {
    const auto* in = static_cast<const uint8_t*>(strips);
    auto* out = static_cast<uint8_t*>(file_layout);
    const int64_t whole_blocks = k / f.strip_k;
    const size_t rest = f.row_bytes(k % f.strip_k);
    for (int64_t s = 0; s < strips_of(rows); ++s) {
        uint8_t ignored[largest_row_block];
        uint8_t* p[strip_rows];
        const uint8_t* strip = in + s * int64_t(f.strip_bytes(k));
        for (int64_t b = 0; b < whole_blocks; ++b) {
            point_at_rows(p, f, k, rows, s, b, out, ignored);
            f.unpack(strip + b * int64_t(f.strip_block_bytes), p);
        }
        if (rest == 0) continue;
        RowEnds ends;
        uint8_t* to[strip_rows];
        point_at_rows(to, f, k, rows, s, whole_blocks, out, ignored);
        for (int r = 0; r < strip_rows; ++r) p[r] = ends.bytes[r];
        f.unpack(strip + whole_blocks * int64_t(f.strip_block_bytes), p);
        for (int r = 0; r < strip_rows; ++r) std::memcpy(to[r], ends.bytes[r], rest);
    }
}

}  // namespace weft::kernels
