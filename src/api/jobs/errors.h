#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/exchange.h"

namespace weft::api::jobs {

// {"code","message","field"}: what is inside "error".
[[nodiscard]] std::string error_object(const Error& error);
// {"error":{...}} with its status and headers.
[[nodiscard]] http::Response error_response(const Error& error);
// What the transport refuses before any handler is asked.
[[nodiscard]] http::Response transport_error(int status, std::string_view code_word, std::string_view message);

}  // namespace weft::api::jobs
