#pragma once

#include <cstddef>
#include <string_view>

namespace weft::http {

// Finds the end of a request head while it arrives, and refuses early what the parser would tolerate or only notice
// late: bare line feeds, folded headers, heads that are too long. Looks at every byte once.
class HeadScanner {
  public:
    struct Limits {
        std::size_t head_bytes;
        std::size_t target_bytes;
        std::size_t headers;
    };
    explicit HeadScanner(Limits limits) : limits_(limits) {}

    enum class Verdict { incomplete, complete, malformed, target_too_long, head_too_large };

    // received: all bytes since the start of the request; it only grows from call to call.
    [[nodiscard]] Verdict scan(std::string_view received);
    // Of the head, its empty last line included. Only after complete.
    [[nodiscard]] std::size_t head_bytes() const { return scanned_; }

  private:
    [[nodiscard]] Verdict check_line(std::string_view line);
    [[nodiscard]] Verdict too_long() const;

    Limits limits_;
    std::size_t scanned_ = 0;  // everything before it consists of complete, checked lines
    std::size_t lines_ = 0;
    std::size_t seen_ = 0;     // no line feed in [scanned_, seen_)
};

}  // namespace weft::http
