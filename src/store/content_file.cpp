#include "store/content_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/descriptor.h"

namespace weft {
namespace fs = std::filesystem;
namespace {

std::unexpected<Error> file_failure() {
    const int code = errno;
    const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return std::unexpected(Error{.code = full ? ErrorCode::storage_full : ErrorCode::internal,
                                 .message = full ? "the server has no room to store this" : "the server's store has failed",
                                 .detail = std::strerror(code)});
}

Result<void> write_all(int descriptor, std::string_view content) {
    while (!content.empty()) {
        const auto written = ::write(descriptor, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return file_failure();
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fdatasync(descriptor) != 0) return file_failure();
    return {};
}

Result<void> sync_folder(const fs::path& folder) {
    const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (opened.get() < 0 || ::fsync(opened.get()) != 0) return file_failure();
    return {};
}

}  // namespace

Result<void> write_content(const fs::path& file, std::string_view content) {
    const Descriptor opened(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (opened.get() < 0) return file_failure();
    auto written = write_all(opened.get(), content);
    if (written) written = sync_folder(file.parent_path());
    if (!written) ::unlink(file.c_str());
    return written;
}

Result<std::string> read_content(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::error_code error;
    if (!stream && !fs::exists(file, error) && !error) return fail(ErrorCode::not_found, "the file's content is not there any more");
    if (!stream) return std::unexpected(Error{.code = ErrorCode::internal, .message = "the server's store has failed", .detail = "no content"});
    return std::string(std::istreambuf_iterator<char>(stream), {});
}

}  // namespace weft
