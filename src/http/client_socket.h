#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "http/client.h"

namespace weft::http {

// A file descriptor that is closed with its owner.
class FileDescriptor {
  public:
    explicit FileDescriptor(int fd = -1) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor();

    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

// One TCP connection whose every wait ends with data, a deadline or a cancellation. Thread: one at a time.
class ClientSocket {
  public:
    // What every wait looks at; borrowed for the life of the socket.
    struct Waiting {
        std::chrono::milliseconds timeout;  // zero: for ever
        int cancel_fd;
        const std::function<void()>& on_wait;
    };

    [[nodiscard]] static Result<ClientSocket> connect(const Endpoint& endpoint, std::chrono::milliseconds timeout,
                                                      Waiting waiting);

    [[nodiscard]] Result<void> write_all(std::string_view data);
    // At least one byte, or none when the server has closed the connection.
    [[nodiscard]] Result<std::size_t> read_some(char* buffer, std::size_t size);

  private:
    ClientSocket(FileDescriptor fd, Waiting waiting) : fd_(std::move(fd)), waiting_(waiting) {}

    FileDescriptor fd_;
    Waiting waiting_;
};

}  // namespace weft::http
