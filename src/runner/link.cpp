#include "runner/link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "runner/messages.h"

namespace weft {

Link::~Link() { ::close(descriptor_); }

bool Link::read_exactly(char* out, std::size_t n) {
    while (n > 0) {
        const auto got = ::recv(descriptor_, out, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        out += got;
        n -= static_cast<std::size_t>(got);
    }
    return true;
}

Result<std::string> Link::read() {
    std::string header(frame_header_bytes, '\0');
    if (!read_exactly(header.data(), header.size())) return fail(ErrorCode::engine_failed, "the gateway is gone");
    WEFT_TRY(const auto parsed, decode_header(header));
    std::string body(parsed.length, '\0');
    if (!read_exactly(body.data(), body.size())) return fail(ErrorCode::engine_failed, "the gateway is gone");
    return body;
}

bool Link::write(std::string_view frame) {
    std::lock_guard lock(mutex_);
    while (!frame.empty()) {
        const auto sent = ::send(descriptor_, frame.data(), frame.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        frame.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace weft
