#pragma once

#include <format>
#include <string>
#include <string_view>

namespace weft {

// std::vformat, compiled here alone: instantiated in every file that formats, it is most of such a file's compile time.
[[nodiscard]] std::string format_args_to_text(std::string_view text, std::format_args args);

// std::format: the text is checked against its arguments at compile time.
template <typename... Args>
[[nodiscard]] std::string formatted(std::format_string<Args...> text, Args&&... args) {
    return format_args_to_text(text.get(), std::make_format_args(args...));
}

}  // namespace weft
