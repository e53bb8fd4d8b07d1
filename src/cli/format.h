#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

// "637 MB", "4.1 GB": decimal units, one digit after the point below ten.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

// "1.5 s", "320 ms", "2m3s".
[[nodiscard]] std::string human_duration(std::chrono::nanoseconds duration);

// "2 minutes ago", "4 hours from now", "just now".
[[nodiscard]] std::string relative_time(WallTime time, WallTime now);

// RFC 3339 with up to nine fraction digits and Z or an offset; nothing for any other text.
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);

// Columns under their headings, four blanks between them, aligned by what a terminal shows. Ends with a line end.
[[nodiscard]] std::string format_table(const std::vector<std::string>& headings,
                                       const std::vector<std::vector<std::string>>& rows);

}  // namespace weft::cli
