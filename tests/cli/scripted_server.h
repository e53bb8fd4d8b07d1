#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/client.h"

namespace weft::test {

// A server on a free loopback port that takes one connection, reads one request and follows a script. Thread: its own.
class ScriptedServer {
  public:
    // One connection, seen from the server.
    class Peer {
      public:
        explicit Peer(int fd) : fd_(fd) {}
        void send(std::string_view bytes) const;
        // Waits, at most ten seconds, until the client has closed its side.
        [[nodiscard]] bool client_leaves() const;

      private:
        int fd_;
    };

    // The script runs after a whole request (by its Content-Length) has come in; the connection is closed after it.
    explicit ScriptedServer(std::function<void(const Peer&)> script);
    // Answers with these bytes, then closes.
    explicit ScriptedServer(std::string answer);
    ~ScriptedServer();

    [[nodiscard]] http::Endpoint endpoint() const { return {.host = "127.0.0.1", .port = port_}; }

    // The request as it came in. Waits until the script is done; call once.
    [[nodiscard]] std::string request();

  private:
    void serve(const std::function<void(const Peer&)>& script);

    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::string request_;
    std::thread thread_;
};

// A whole answer with its length.
[[nodiscard]] std::string answer(int status, std::string_view body);

}  // namespace weft::test
