#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/gguf_types.h"

namespace weft::test {

// Writes GGUF files for tests, also wrong ones: nothing is checked.
class GgufWriter {
  public:
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;   // of the data; write "general.alignment" yourself when it is another

    // Each adds a metadata entry, or replaces the one of that key.
    GgufWriter& string(const std::string& key, std::string_view value);
    GgufWriter& u32(const std::string& key, std::uint32_t value);
    GgufWriter& i32(const std::string& key, std::int32_t value);
    GgufWriter& u64(const std::string& key, std::uint64_t value);
    GgufWriter& f32(const std::string& key, float value);
    GgufWriter& boolean(const std::string& key, std::uint8_t value);
    GgufWriter& strings(const std::string& key, const std::vector<std::string>& values);
    GgufWriter& f32s(const std::string& key, const std::vector<float>& values);
    GgufWriter& i32s(const std::string& key, const std::vector<std::int32_t>& values);
    // Any type number, any bytes behind it.
    GgufWriter& raw(const std::string& key, std::uint32_t type, std::string bytes);
    GgufWriter& remove(const std::string& key);

    // F32 tensor filled with zeros, placed behind the ones before it.
    GgufWriter& tensor(const std::string& name, std::vector<std::uint64_t> shape);
    // Any type and place; `bytes` of data are written there only if they follow what is there.
    GgufWriter& raw_tensor(const std::string& name, std::vector<std::uint64_t> shape, std::uint32_t type,
                           std::uint64_t offset, std::uint64_t bytes);

    [[nodiscard]] std::string bytes() const;
    [[nodiscard]] std::string header_bytes() const;  // without the tensors' data
    void write(const std::filesystem::path& path) const;

    template <typename T>
    static std::string number(T value) {
        return {reinterpret_cast<const char*>(&value), sizeof value};
    }
    static std::string text(std::string_view value) { return number<std::uint64_t>(value.size()) + std::string(value); }

  private:
    struct Tensor {
        std::string name;
        std::vector<std::uint64_t> shape;
        std::uint32_t type;
        std::uint64_t offset;
    };
    GgufWriter& set(const std::string& key, GgufType type, std::string bytes);
    std::vector<std::pair<std::string, std::string>> entries_{};  // key, type and value as bytes
    std::vector<Tensor> tensors_{};
    std::uint64_t data_bytes_ = 0;
};

// A complete small llama model: 2 layers, 4 heads (2 of them KV heads), width 32, 8 tokens, trained for 64 tokens.
// Its weights are zeros.
[[nodiscard]] GgufWriter small_model();

// A folder that is removed at the end of the test.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // Writes a file, making folders as needed; gives its path.
    std::filesystem::path write(const std::filesystem::path& name, std::string_view content) const;

  private:
    std::filesystem::path path_;
};

}  // namespace weft::test
