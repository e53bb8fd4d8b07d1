#pragma once

// Reads what a GGUF file says about itself, without libllama and without believing any of it. Every length is checked
// against a named bound and against the bytes that are really there before anything is allocated, every tensor must lie
// inside the file. Reading goes through read(2), not through a mapping: a file that shrinks meanwhile is an error here
// and would be a SIGBUS there.
//
// Errors are ErrorCode::model_load_failed; their message names the key or tensor, never the path.
// Thread: any; blocks on the disk. A 150,000-token vocabulary costs a few MB of reading and is not kept.

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "registry/gguf_types.h"

namespace weft {

namespace gguf_limits {
inline constexpr std::uint64_t header_bytes = 512ULL << 20;  // metadata and tensor list of one file
inline constexpr std::uint64_t keys = 65'536;
inline constexpr std::uint64_t tensors = 65'536;
inline constexpr std::uint64_t key_bytes = 65'535;
inline constexpr std::uint64_t tensor_name_bytes = 63;       // ggml keeps 64 with the NUL
inline constexpr std::uint64_t string_bytes = 16ULL << 20;
inline constexpr std::uint64_t array_elements = 1ULL << 26;
inline constexpr std::uint64_t kept_bytes = 64ULL << 20;     // of strings and short arrays, in memory
inline constexpr std::uint64_t kept_array_elements = 1024;   // longer arrays stay in the file
inline constexpr std::uint32_t dimensions = 4;
inline constexpr std::uint64_t alignment = 1ULL << 20;
inline constexpr std::uint32_t shards = 1024;
}  // namespace gguf_limits

// Strings are always valid UTF-8: what is not was replaced by U+FFFD.
using GgufScalar = std::variant<bool, std::uint64_t, std::int64_t, float, double, std::string>;

struct GgufArray {
    GgufType element_type = GgufType::u8;  // never array: nested arrays are refused
    std::uint64_t count = 0;
    std::uint64_t file_offset = 0;         // of the first element, in the first file
    std::vector<GgufScalar> values{};      // all of them, or none when there are more than kept_array_elements

    [[nodiscard]] bool complete() const { return values.size() == count; }
};

struct GgufEntry {
    std::string key;
    GgufType type;
    std::variant<GgufScalar, GgufArray> value;
};

struct GgufTensor {
    std::string name;
    GgmlType type{};
    std::uint32_t n_dimensions = 0;
    std::array<std::uint64_t, gguf_limits::dimensions> shape{1, 1, 1, 1};  // fastest-running first
    std::uint64_t offset = 0;   // from the start of its file
    std::uint64_t bytes = 0;
};

// All metadata, in the order of the file, and all tensors (of all files of a split model).
struct GgufHeader {
    std::uint32_t version = 0;
    std::uint32_t alignment = 32;
    std::vector<GgufEntry> entries{};
    std::vector<GgufTensor> tensors{};
    std::vector<std::filesystem::path> files{};  // one, or the shards in their order
    std::uint64_t file_bytes = 0;                // of all files
    std::uint64_t tensor_bytes = 0;
    std::uint64_t parameters = 0;                // elements of all tensors
    std::chrono::system_clock::time_point modified_at{};  // of the newest file
    std::string digest{};                        // see read_gguf()

    [[nodiscard]] const GgufEntry* find(std::string_view key) const;
    // The value if it is there and of that kind; integers of every width and sign (but not negative) count.
    [[nodiscard]] std::optional<std::uint64_t> integer(std::string_view key) const;
    [[nodiscard]] std::optional<double> number(std::string_view key) const;
    [[nodiscard]] std::optional<std::string_view> string(std::string_view key) const;
    [[nodiscard]] const GgufArray* array(std::string_view key) const;

    // "llama.block_count" for "block_count", after general.architecture.
    [[nodiscard]] std::string architecture_key(std::string_view name) const;
};

// Reads the header of a model file. "x-00001-of-00003.gguf" stands for all its shards, which must lie beside it.
// The digest is the SHA-256 of all header bytes (names, shapes, vocabulary) with each file's size and modification time:
// as good as a hash of the content for noticing that a file was replaced, and cheap for one of 40 GB. It is no proof of
// content: a copy with another modification time has another digest.
[[nodiscard]] Result<GgufHeader> read_gguf(const std::filesystem::path& path);

// The elements of an array that was too long to keep. model_load_failed when the file changed meanwhile.
[[nodiscard]] Result<std::vector<GgufScalar>> read_gguf_array(const GgufHeader& header, const GgufArray& array);

// Whether this is the second or a later file of a split model, which is not a model by itself.
[[nodiscard]] bool is_later_shard(const std::filesystem::path& path);
// All files that this one's name stands for: itself, or the shards, there or not.
[[nodiscard]] std::vector<std::filesystem::path> files_of_model(const std::filesystem::path& path);
// "model" for "model.gguf" and for "model-00001-of-00003.gguf".
[[nodiscard]] std::string model_stem(const std::filesystem::path& path);

// The name of the file's mixture of types: general.file_type, or else the type that most bytes have.
[[nodiscard]] std::string quantization_of(const GgufHeader& header);

// "3.2B", "4.05M", "512K".
[[nodiscard]] std::string parameter_size_text(std::uint64_t parameters);

}  // namespace weft
