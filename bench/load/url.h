#pragma once

#include <string>

#include "base/error.h"

namespace weft::bench {

// http://HOST[:PORT][/PREFIX]; "HOST:PORT" alone will do. No TLS: what is measured is a server, not OpenSSL.
struct Url {
    std::string host;
    std::string port = "80";
    std::string prefix{};  // without a '/' at its end
};

[[nodiscard]] Result<Url> parse_url(std::string text);

}  // namespace weft::bench
