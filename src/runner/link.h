#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

// The engine's end of the socketpair: blocking frames over a file descriptor.
class Link {
  public:
    explicit Link(int descriptor) : descriptor_(descriptor) {}
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    // The body of the next frame. engine_failed when the gateway is gone or does not speak our protocol.
    // Thread: one reader.
    [[nodiscard]] Result<std::string> read();

    // Sends one frame (header included), whole. False when the gateway is gone. Thread: any; locks mutex_.
    bool write(std::string_view frame);

  private:
    [[nodiscard]] bool read_exactly(char* out, std::size_t n);

    const int descriptor_;
    std::mutex mutex_;  // one frame after the other
};

}  // namespace weft
