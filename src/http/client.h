#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::http {

// Where a plain HTTP server is reached.
struct Endpoint {
    std::string host = "127.0.0.1";  // a name or an address; IPv6 without brackets
    std::uint16_t port = 11434;
    std::string base_path{};         // put before every path, "/weft" or empty

    // "http://[::1]:11434/weft", for messages.
    [[nodiscard]] std::string url() const;
};

struct ClientLimits {
    std::chrono::milliseconds connect_timeout{5'000};
    // Longest silence of the server. Zero waits for ever: loading a large model takes minutes, and a user can press Ctrl-C.
    std::chrono::milliseconds read_timeout{0};
    std::size_t max_header_bytes = 64 << 10;
    std::size_t max_body_bytes = 64 << 20;
    std::size_t max_line_bytes = 8'000'000;
};

struct ClientRequest {
    std::string method = "GET";
    std::string path;
    std::string body{};                // sent with its length unless empty
    std::string content_type = "application/json";  // of the body
    int cancel_fd = -1;                // readable: give up and close the connection, which cancels on the server too
    std::function<void()> on_wait{};   // called about ten times a second while nothing comes in (for a spinner)
};

struct ClientResponse {
    int status = 0;
    std::string body{};
};

// A blocking client: one connection for each request. Errors, with a message for the user:
//   not_found  nobody answers at the endpoint       timeout    connect_timeout or read_timeout has passed
//   cancelled  cancel_fd became readable            too_large  beyond a limit
//   internal   what came back is not whole HTTP
// Thread: any; one call at a time for each object.
class Client {
  public:
    explicit Client(Endpoint endpoint, ClientLimits limits = {})
        : endpoint_(std::move(endpoint)), limits_(limits) {}

    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

    [[nodiscard]] Result<ClientResponse> send(const ClientRequest& request) const;

    // False ends the transfer and closes the connection; that is no error.
    using LineSink = std::function<bool(std::string_view line)>;

    // A successful answer goes to on_line, line by line as it comes in, without line ends and empty lines; the returned
    // body is then empty. An answer with another status is collected as send() does.
    [[nodiscard]] Result<ClientResponse> stream(const ClientRequest& request, const LineSink& on_line) const;

  private:
    Endpoint endpoint_;
    ClientLimits limits_;
};

}  // namespace weft::http
