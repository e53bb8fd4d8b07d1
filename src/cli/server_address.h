#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/client.h"

namespace weft::cli {

enum class BadPort {
    refuse,       // what somebody typed just now
    use_default,  // OLLAMA_HOST: Ollama's clients do the same
};

// "host", "host:port", ":port", "[v6]:port", "v6", "http://host[:port][/path]"; blanks and quotes around it are dropped.
// The default port is 11434, with a scheme 80. 0.0.0.0 and :: are addresses to listen on: a client takes the loopback one.
[[nodiscard]] Result<http::Endpoint> parse_server_address(std::string_view text, BadPort bad_port);

using Environment = std::function<std::optional<std::string>(const char* name)>;

// --server if given, else WEFT_HOST, else OLLAMA_HOST, else http://127.0.0.1:11434.
[[nodiscard]] Result<http::Endpoint> find_server(const std::optional<std::string>& server_flag,
                                                 const Environment& environment);

}  // namespace weft::cli
