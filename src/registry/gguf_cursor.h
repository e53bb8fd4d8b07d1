#pragma once

#include <boost/hash2/sha2.hpp>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace weft {

// Reads a regular file from front to back through a small buffer, never past `limit` bytes. Thread: the one that made it.
class GgufCursor {
  public:
    // model_load_failed for what is no readable regular file (a FIFO named .gguf does not hang it).
    [[nodiscard]] static Result<GgufCursor> open(const std::filesystem::path& path, std::uint64_t limit);

    GgufCursor(GgufCursor&& other) noexcept;
    GgufCursor& operator=(GgufCursor&&) = delete;
    ~GgufCursor();

    // Little-endian, as the file is. bool is a byte that must be 0 or 1.
    template <typename T>
        requires std::is_arithmetic_v<T>
    [[nodiscard]] Result<T> number() {
        static_assert(std::endian::native == std::endian::little);
        T value{};
        WEFT_CHECK(read(reinterpret_cast<char*>(&value), sizeof(T)));
        return value;
    }
    // A length of 8 bytes, then as many bytes as it says. `what` names it in errors.
    [[nodiscard]] Result<std::string> text(std::uint64_t max_bytes, const std::string& what);
    [[nodiscard]] Result<void> skip_text(std::uint64_t max_bytes, const std::string& what);
    [[nodiscard]] Result<void> skip(std::uint64_t bytes);
    // Goes to another place; what was read so far stays in the digest, what is left out does not get into it.
    [[nodiscard]] Result<void> seek(std::uint64_t offset);

    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] std::uint64_t left() const { return position_ < limit_ ? limit_ - position_ : 0; }
    [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }
    [[nodiscard]] std::int64_t modified_ns() const { return modified_ns_; }

    // SHA-256 of all bytes read so far, as 64 hex digits. Ends the hashing.
    [[nodiscard]] std::string finish_digest();

  private:
    GgufCursor(int fd, std::uint64_t file_bytes, std::int64_t modified_ns, std::uint64_t limit);
    [[nodiscard]] Result<std::uint64_t> length(std::uint64_t max_bytes, const std::string& what);
    [[nodiscard]] Result<void> read(char* to, std::uint64_t bytes);
    [[nodiscard]] Result<void> refill();

    int fd_;
    std::uint64_t file_bytes_;
    std::int64_t modified_ns_;
    std::uint64_t limit_;
    std::uint64_t position_ = 0;      // of the next byte to hand out
    std::vector<char> buffer_{};
    std::size_t used_ = 0;            // bytes of the buffer that were handed out
    boost::hash2::sha2_256 hash_{};
};

}  // namespace weft
