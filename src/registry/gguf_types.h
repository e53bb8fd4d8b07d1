#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

// Types of metadata values, numbered as in the file.
enum class GgufType : std::uint32_t {
    u8 = 0, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64,
};

[[nodiscard]] std::string_view name_of(GgufType type);

// Bytes of one value in the file; 0 for strings and arrays, whose size is written before them.
[[nodiscard]] std::uint32_t fixed_size_of(GgufType type);

// How a tensor's elements are stored: blocks of `block_elements` that take `block_bytes` each. Rows hold whole blocks.
struct GgmlType {
    std::uint32_t id;            // ggml_type in the file
    std::string_view name;       // "Q4_K"
    std::uint32_t block_elements;
    std::uint32_t block_bytes;
};

// Nothing for a type that ggml 0.27 does not know or no longer reads.
[[nodiscard]] std::optional<GgmlType> ggml_type(std::uint32_t id);

// What people call the mixture of types in a whole file (general.file_type, llama_ftype in libllama 0.7): "Q4_K_M".
// Empty for an unknown number.
[[nodiscard]] std::string_view quantization_name(std::uint64_t file_type);

}  // namespace weft
