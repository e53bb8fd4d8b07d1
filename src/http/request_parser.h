#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include "http/exchange.h"
#include "http/head_scanner.h"
#include "http/middleware.h"

namespace weft::http {

// What the head says about the connection and the body, beside what is in Request.
struct HeadFacts {
    bool http_1_1 = true;
    bool keep_alive = true;
    bool chunked = false;
    bool expects_continue = false;
    bool unknown_expectation = false;
    std::uint64_t content_length = 0;  // 0 when chunked or absent
};

// Bytes of one connection to one Request, strictly: whatever two parsers could read in two ways is refused. Beast does
// the grammar; this class keeps it out of everybody's headers and adds what Beast leaves to its user.
class RequestParser {
  public:
    // Fills request while it parses; request outlives the parser.
    RequestParser(HeadScanner::Limits limits, std::size_t max_body_bytes, Request& request);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    // received: all unconsumed bytes. How many of them the head took; 0 when more are needed.
    [[nodiscard]] std::expected<std::size_t, Refusal> feed_head(std::string_view received);
    // How many bytes were taken; fewer than given when done() or when more are needed to go on.
    [[nodiscard]] std::expected<std::size_t, Refusal> feed_body(std::string_view received);

    [[nodiscard]] const HeadFacts& facts() const;
    // The whole request, body included, has been read.
    [[nodiscard]] bool done() const;
    // From now on the body is parsed but not kept.
    void discard_body();

  private:
    [[nodiscard]] std::expected<std::size_t, Refusal> read_head(std::string_view received);

    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace weft::http
