#pragma once

#include <chrono>
#include <glaze/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Structs and strings as JSON text. Empty optionals are left out.
namespace weft::api::ollama {

// glaze writes control characters unescaped unless it is told otherwise.
struct JsonTextOptions : glz::opts {
    bool escape_control_characters = true;
};

// Replaces what is in `out`. Reuse one `out` for many values: it keeps its memory.
template <typename T>
void write_json_text(const T& value, std::string& out) {
    // Cannot fail: everything written here is a plain value in a growing buffer.
    (void)glz::write<JsonTextOptions{}>(value, out);
}

template <typename T>
[[nodiscard]] std::string to_json(const T& value) {
    std::string out;
    write_json_text(value, out);
    return out;
}

template <typename T>
[[nodiscard]] std::optional<T> unless_empty(T value) {
    return value.empty() ? std::nullopt : std::optional(std::move(value));
}

// "2026-01-02T03:04:05.000000006Z", RFC 3339 in UTC with nanoseconds.
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point time);

}  // namespace weft::api::ollama
