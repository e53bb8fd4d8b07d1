#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace weft::http {

// How the end of a body is known.
enum class Framing { content_length, chunked, until_close, no_body };

struct ResponseHead {
    int status = 200;
    bool http_1_1 = true;
    bool keep_alive = true;
    Framing framing = Framing::content_length;
    std::uint64_t content_length = 0;
    std::string_view content_type{};
    std::string_view date{};
    std::string_view request_id{};
};

// Appends status line and headers, empty line included. Later lists win: a header of a later list replaces earlier
// ones of that name, except Set-Cookie and Vary, which add up. Control characters in values become spaces.
void append_response_head(std::string& out, const ResponseHead& head, const Headers& first, const Headers& second);

[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace weft::http
