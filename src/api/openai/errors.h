#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"

namespace weft::api::openai {

inline constexpr std::string_view api_version = "2020-10-01";

// {"error":{"message","type","param","code"}}: the whole body, also of an error in the middle of a stream.
[[nodiscard]] std::string error_body(const Error& error);

// The same with its status and headers (retry-after, x-should-retry).
[[nodiscard]] http::Response error_response(const Error& error);

// The same error, blamed on a field of the request when it is about the prompt's length and names none.
[[nodiscard]] Error blame_prompt(Error error, std::string_view field);

// What the transport refuses before any handler is asked: 403, 404, 405, 408, 413, 415, 431, 503, ... The app uses it
// for paths of this dialect; it adds Allow to a 405.
[[nodiscard]] http::Response transport_error(int status, std::string_view method, std::string_view path);

}  // namespace weft::api::openai
