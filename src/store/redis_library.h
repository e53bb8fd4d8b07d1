#pragma once

#include <string>

namespace weft {

// The functions that a Redis server is given: each is one step, whatever other nodes do. Their names carry the version of
// what is stored, so that nodes of another version bring their own.
[[nodiscard]] const std::string& redis_library();

inline constexpr const char* redis_news_channel = "{weft-jobs}:news";

}  // namespace weft
