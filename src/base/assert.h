#pragma once

#include <source_location>
#include <string_view>

namespace weft {

// For our own bugs, on in every build: logs what and where, then aborts.
[[noreturn]] void assertion_failed(std::string_view what, std::source_location where);

inline void assert_that(bool holds, std::string_view what,
                        std::source_location where = std::source_location::current()) {
    if (!holds) [[unlikely]]
        assertion_failed(what, where);
}

}  // namespace weft
