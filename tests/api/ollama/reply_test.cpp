#include <catch2/catch_test_macros.hpp>

#include "ollama_server.h"

using namespace weft;
using namespace weft::test;

TEST_CASE("a chat is streamed as lines of which only the last one is done") {
    OllamaServer server;
    server.has_model("m").answers("Hello there!");
    const auto answer = server.post("/api/chat", R"({"model":"m","messages":[{"role":"user","content":"hi"}]})");
    INFO(answer.body);
    CHECK(answer.status == 200);
    CHECK(answer.content_type == "application/x-ndjson");
    CHECK(answer.ended);
    CHECK(answer.lines().size() >= 2);
}

TEST_CASE("a chat that is not streamed is one object") {
    OllamaServer server;
    server.has_model("m").answers("Hello there!");
    const auto answer =
        server.post("/api/chat", R"({"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}]})");
    INFO(answer.body);
    CHECK(answer.status == 200);
    CHECK(api::JsonReader(answer.json())["message"]["content"].string() == "Hello there!");
}

TEST_CASE("generate streams and answers whole") {
    OllamaServer server;
    server.has_model("m").answers("Hello there!");
    const auto streamed = server.post("/api/generate", R"({"model":"m","prompt":"hi"})");
    const auto whole = server.post("/api/generate", R"({"model":"m","prompt":"hi","stream":false})");
    INFO(streamed.body << whole.body);
    CHECK(streamed.lines().size() >= 2);
    CHECK(api::JsonReader(whole.json())["response"].string() == "Hello there!");
}
