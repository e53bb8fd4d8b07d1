#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

struct HtmlLimits {
    std::size_t depth = 512;  // of open elements; real pages stay below a hundred
    std::size_t output_bytes = 16 << 20;
    std::chrono::milliseconds time{10'000};
};

struct HtmlText {
    std::string title{};
    std::string text{};  // headings begin with as many # as their level says; paragraphs are parted by empty lines
};

// What a reader of the page would see, without scripts, styles and whatever lies elsewhere. utf8: the bytes are that,
// whatever they say themselves; otherwise they are read as their own <meta> says. too_large, timeout, invalid_request when
// it is nested too deeply. Thread: any.
[[nodiscard]] Result<HtmlText> html_text(std::string_view html, bool utf8, const HtmlLimits& limits);

}  // namespace weft
