#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http {

// What a request line's target says, in the form handlers see it (Request::path, Request::query).
struct RequestTarget {
    std::string path;         // decoded, no empty parts, no "." or "..", no trailing slash; "*" for OPTIONS *
    std::string query{};      // raw, without '?'
    std::string authority{};  // of an absolute-form target ("http://host:port/..."), which then replaces Host
};

// The error is one sentence for the client. Refuses what could mean different paths to different readers: bad percent
// encoding, control characters, dot segments, invalid UTF-8, fragments.
[[nodiscard]] std::expected<RequestTarget, std::string> parse_request_target(std::string_view method,
                                                                             std::string_view target);

// The beginning of the path of a request that cannot be read, as far as its first line can be told: enough to know whom it
// was meant for. Empty when there is none.
[[nodiscard]] std::string readable_path(std::string_view head);

// "host", "host:port", "[v6]:port" without anything that does not belong there; empty is valid.
[[nodiscard]] bool is_valid_authority(std::string_view authority);

// The first parameter of that name in a raw query, decoded ('+' is a space); "" for one without '='. Nothing when it is
// absent or badly encoded.
[[nodiscard]] std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

}  // namespace weft::http
