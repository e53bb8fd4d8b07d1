#include "registry/gguf_cursor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft {
namespace {

constexpr std::size_t buffer_bytes = 64 << 10;

std::unexpected<Error> cannot_read(std::string message, const std::filesystem::path& path = {}) {
    return std::unexpected(Error{.code = ErrorCode::model_load_failed,
                                 .message = std::move(message),
                                 .detail = path.empty() ? "" : path.string() + ": " + std::strerror(errno)});
}

}  // namespace

Result<GgufCursor> GgufCursor::open(const std::filesystem::path& path, std::uint64_t limit) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return cannot_read(errno == ENOENT ? "the model file is missing" : "the model file cannot be read", path);
    struct stat info{};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        ::close(fd);
        return cannot_read("the model file is no regular file");
    }
    const auto bytes = static_cast<std::uint64_t>(info.st_size);
    return GgufCursor(fd, bytes, info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec, std::min(bytes, limit));
}

GgufCursor::GgufCursor(int fd, std::uint64_t file_bytes, std::int64_t modified_ns, std::uint64_t limit)
    : fd_(fd), file_bytes_(file_bytes), modified_ns_(modified_ns), limit_(limit) {}

GgufCursor::GgufCursor(GgufCursor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      file_bytes_(other.file_bytes_),
      modified_ns_(other.modified_ns_),
      limit_(other.limit_),
      position_(other.position_),
      buffer_(std::move(other.buffer_)),
      used_(other.used_),
      hash_(other.hash_) {}

GgufCursor::~GgufCursor() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::uint64_t> GgufCursor::length(std::uint64_t max_bytes, const std::string& what) {
    WEFT_TRY(const auto bytes, number<std::uint64_t>());
    if (bytes > max_bytes)
        return fail(ErrorCode::model_load_failed,
                    what + ": a text of " + std::to_string(bytes) + " bytes, more than " + std::to_string(max_bytes));
    if (bytes > left()) return fail(ErrorCode::model_load_failed, what + ": the file ends inside it");
    return bytes;
}

Result<std::string> GgufCursor::text(std::uint64_t max_bytes, const std::string& what) {
    WEFT_TRY(const auto bytes, length(max_bytes, what));
    std::string out(bytes, '\0');
    WEFT_CHECK(read(out.data(), bytes));
    return out;
}

Result<void> GgufCursor::skip_text(std::uint64_t max_bytes, const std::string& what) {
    WEFT_TRY(const auto bytes, length(max_bytes, what));
    return skip(bytes);
}

Result<void> GgufCursor::skip(std::uint64_t bytes) { return read(nullptr, bytes); }

Result<void> GgufCursor::seek(std::uint64_t offset) {
    if (offset > limit_) return fail(ErrorCode::model_load_failed, "the file ends too early");
    position_ = offset;
    buffer_.clear();
    used_ = 0;
    return {};
}

// Without a target the bytes are passed over, but still hashed.
Result<void> GgufCursor::read(char* to, std::uint64_t bytes) {
    if (bytes > left()) return fail(ErrorCode::model_load_failed, "the file ends inside its header");
    while (bytes > 0) {
        if (used_ == buffer_.size()) WEFT_CHECK(refill());
        const auto part = std::min<std::uint64_t>(bytes, buffer_.size() - used_);
        if (to) to = std::copy_n(buffer_.data() + used_, part, to);
        hash_.update(buffer_.data() + used_, part);
        used_ += part;
        position_ += part;
        bytes -= part;
    }
    return {};
}

Result<void> GgufCursor::refill() {
    buffer_.resize(std::min<std::uint64_t>(buffer_bytes, left()));
    used_ = 0;
    ssize_t got = 0;
    do got = ::pread(fd_, buffer_.data(), buffer_.size(), static_cast<off_t>(position_));
    while (got < 0 && errno == EINTR);
    buffer_.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) return cannot_read("the model file cannot be read to its end");
    return {};
}

std::string GgufCursor::finish_digest() { return to_string(hash_.result()); }

}  // namespace weft
