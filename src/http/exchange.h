#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

// One request, read whole and within every limit. The body is already decoded (gzip) and bounded.
struct Request {
    std::string method;       // "GET", "POST", ... as sent; HEAD is routed like GET and its body is dropped
    std::string path;         // percent-decoded after splitting, without query; "//v1" is "/v1", "/v1/models/" is "/v1/models"
    std::string query;        // raw, without '?'
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    std::string body;
    std::string id;           // "req_" + 24 hex digits, also in the logs and in x-request-id
    std::string peer;         // address of the client, for the log
    std::map<std::string, std::string, std::less<>> path_parameters{};  // of the route's pattern
    std::chrono::steady_clock::time_point received_at{};
    // For programs that make requests of their own: whose it is, in place of what headers would say. Never off the wire.
    std::optional<std::string> on_behalf_of{};

    // The first header of that (lower case) name; empty when there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Response {
    int status = 200;
    std::string content_type = "application/json; charset=utf-8";
    std::string body{};
    Headers headers{};
};

class WebSocket;

// One request and its answer. A handler calls reply() once, or start_stream(), write()*, finish_stream(), or
// accept_web_socket() alone. Thread: io.
class Exchange {
  public:
    virtual ~Exchange() = default;

    [[nodiscard]] virtual const Request& request() const = 0;
    [[nodiscard]] virtual boost::asio::any_io_executor executor() const = 0;

    // Headers that any later reply carries too (x-request-id and CORS are there already).
    virtual void add_header(std::string name, std::string value) = 0;

    [[nodiscard]] virtual boost::asio::awaitable<void> reply(Response response) = 0;

    // Sends status 200 and the head of a chunked answer; each write() is flushed at once as one chunk.
    [[nodiscard]] virtual boost::asio::awaitable<void> start_stream(std::string content_type, Headers headers = {}) = 0;
    // False when the client is gone: stop generating. Waits while the client's socket is full.
    [[nodiscard]] virtual boost::asio::awaitable<bool> write(std::string_view data) = 0;
    [[nodiscard]] virtual boost::asio::awaitable<void> finish_stream() = 0;
    // Ends a stream without its last chunk, so that the client sees a broken transfer: when an exception cut it off.
    virtual void abort_stream() = 0;

    // Answers the handshake of a WebSocket (RFC 6455). Null when the request is none, or on a connection that cannot: then
    // nothing has been answered yet. The socket lives no longer than the handler.
    [[nodiscard]] virtual boost::asio::awaitable<std::shared_ptr<WebSocket>> accept_web_socket();

    [[nodiscard]] virtual bool started() const = 0;

    // Called once, on io, when the client closes its connection (or the drain deadline passes) before the answer is
    // finished. At once if it is already gone. An empty function unsets it. One at a time.
    virtual void on_client_gone(std::function<void()> callback) = 0;
    [[nodiscard]] virtual bool client_gone() const = 0;
};

// May throw: the server answers 500 (or breaks the stream off) and logs.
using Handler = std::function<boost::asio::awaitable<void>(Exchange&)>;

}  // namespace weft::http
