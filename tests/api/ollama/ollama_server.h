#pragma once

// Ollama's routes over fakes, asked without a socket.
//
//     OllamaServer server;
//     server.has_model("m").answers("Hello there!");
//     const auto answer = server.post("/api/chat", R"({"model":"m","stream":false,"messages":[...]})");
//     CHECK(answer.at("message.content") == "\"Hello there!\"");

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "api/json_reader.h"
#include "api/ollama/routes.h"
#include "support/fake_runner.h"

namespace weft::test {

// The value at a path ("message.content", "models.0.name") as JSON text; "absent" when there is none.
[[nodiscard]] std::string at(const api::Json& json, std::string_view path);

// What the client saw.
struct Answer {
    int status = 0;
    std::string content_type{};
    http::Headers headers{};
    std::string body{};                 // of a stream: all writes
    std::vector<std::string> writes{};  // empty when it was no stream
    bool ended = false;                 // the stream's last chunk was sent

    [[nodiscard]] api::Json json() const;
    [[nodiscard]] std::vector<api::Json> lines() const;
    // at() of a body that is one object.
    [[nodiscard]] std::string at(std::string_view path) const { return test::at(json(), path); }
    [[nodiscard]] std::string error() const;  // the text in {"error": ...}; empty when there is none
};

class OllamaServer {
  public:
    OllamaServer();

    FakeRunner& has_model(const std::string& name, std::vector<std::string> capabilities = {"completion"});

    Answer ask(const std::string& method, const std::string& path, std::string body = {}, http::Headers headers = {});
    Answer get(const std::string& path) { return ask("GET", path); }
    Answer post(const std::string& path, std::string body) { return ask("POST", path, std::move(body)); }

    // Whether the router knows the path and which methods it has ("GET, HEAD, OPTIONS").
    [[nodiscard]] std::string methods_of(const std::string& path) const { return router.find("TRACE", path).allowed; }

    // A client that leaves once it has read so many writes.
    Answer ask_and_leave_after(std::size_t writes, const std::string& path, std::string body);

    boost::asio::io_context io{};
    SteadyClock clock{};
    FakeRegistry registry;
    ChatService chat;
    EmbedService embed;
    http::Router router{};

  private:
    Answer run(const std::string& method, const std::string& path, std::string body, http::Headers headers,
               std::size_t patience);
};

}  // namespace weft::test
