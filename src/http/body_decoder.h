#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "http/middleware.h"

namespace weft::http {

// Whether a request body of that Content-Encoding can be read: none, "identity", "gzip" (also as "x-gzip").
[[nodiscard]] bool is_decodable(std::string_view content_encoding);

// The body as it was before the client compressed it. A decoded body beyond max_bytes is refused as soon as it gets
// there (413), however small it was on the wire; damaged or unfinished data is refused with 400. Lets the io thread do
// other things between slices of the work.
[[nodiscard]] boost::asio::awaitable<std::expected<std::string, Refusal>> decode_body(std::string_view content_encoding,
                                                                                      std::string body,
                                                                                      std::size_t max_bytes);

}  // namespace weft::http
