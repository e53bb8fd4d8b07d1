#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/exchange.h"

namespace weft::http {

// An error that the server renders through the application's ErrorFormatter.
struct Refusal {
    int status = 400;
    std::string_view code_word = "bad_request";
    std::string message{};
    Headers headers{};
};

using Answer = std::variant<Response, Refusal>;

// A step between the head of a request and its handler: looks at the head (the body has not been read yet), may add
// headers to whatever answer will be sent, may answer instead. Run in the order of the server's list. Thread: io.
using Middleware = std::function<std::optional<Answer>(const Request& head, Headers& reply_headers)>;

// Protects a server on a loopback address against DNS rebinding: a page whose name resolves to 127.0.0.1 still sends
// its own name as Host.
struct HostPolicy {
    bool bound_to_loopback = true;         // false: every Host is accepted
    std::vector<std::string> extra_hosts{};  // names accepted besides the built-in ones
};
// Accepts an empty name, localhost, this machine's name, *.localhost, *.local, *.internal, and IP addresses that are
// loopback, private, unspecified or bound on a local interface. The port does not matter.
[[nodiscard]] bool is_host_allowed(const HostPolicy& policy, std::string_view host);
[[nodiscard]] Middleware check_host(HostPolicy policy);

// Which web pages may call. Patterns may hold any number of '*' ("chrome-extension://*", "https://*.example.com").
struct OriginPolicy {
    std::vector<std::string> extra_origins{};  // besides the built-in ones; "*" lets everyone in
};
[[nodiscard]] bool is_origin_allowed(const OriginPolicy& policy, std::string_view origin, std::string_view host);
// Answers preflights (204), refuses other origins (403), adds the CORS headers to the answers of allowed ones.
[[nodiscard]] Middleware apply_cors(OriginPolicy policy);

}  // namespace weft::http
