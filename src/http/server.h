#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "http/middleware.h"
#include "http/router.h"
#include "http/server_options.h"

namespace weft::http {

// Where a server listens, as a client would write it.
struct ListeningAddress {
    std::string address;      // "127.0.0.1", "::1", or the path of a Unix socket
    std::uint16_t port = 0;   // 0 for a Unix socket
    bool loopback = false;    // only this machine can connect: the Host check applies (see HostPolicy)
};

// Accepts connections and answers requests: middleware in the given order, then the router's handler. Everything
// happens on the thread that runs the io_context, and there must be one only. The destructor stops the server;
// handlers that still run then see their client gone.
class Server {
  public:
    Server(boost::asio::io_context& io, ServerOptions options, std::shared_ptr<const Router> router,
           ErrorFormatter format_error = plain_error, std::vector<Middleware> middleware = {});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Starts to accept; may be called for several addresses. host: a name or an address, "[::1]" too; port 0: any free
    // one, which the result tells. Errors: invalid_request for a host that cannot be resolved or an address that
    // cannot be bound.
    [[nodiscard]] Result<ListeningAddress> listen(const std::string& host, std::uint16_t port);
    // Replaces a socket file that nobody listens on; the file gets mode 0600 and is removed again in the end.
    [[nodiscard]] Result<ListeningAddress> listen_unix(const std::string& path);

    // Replaces the middleware for requests that arrive from now on: what is allowed can depend on what was bound.
    void set_middleware(std::vector<Middleware> middleware);

    // Ends in order: closes idle connections and answers with "Connection: close". New connections are still accepted
    // until the last running request has ended, so that who asks is told (by the handlers) instead of refused.
    // What still runs after time_left sees its client gone and is cut off. done is called once, when the last
    // connection has ended, at the latest a few seconds after time_left.
    void drain(std::chrono::milliseconds time_left, std::function<void()> done);
    // Ends now.
    void stop();

    [[nodiscard]] std::size_t connections() const;

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace weft::http
