#include "cli/ollama_client.h"

#include <catch2/catch_test_macros.hpp>

#include "scripted_server.h"

using namespace weft;
using namespace weft::cli;
using test::answer;
using test::ScriptedServer;

namespace {

struct Answer {
    std::string content;
    std::string thinking;
    std::string done_reason;
    Result<void> result;
};

Answer chat(ScriptedServer& server, const ChatRequest& request = {.model = "m", .messages = {{"user", "hi"}}}) {
    Answer got;
    got.result = OllamaClient(server.endpoint()).chat(request, [&](const ChatPiece& piece) {
        got.content += piece.content;
        got.thinking += piece.thinking;
        if (piece.done) got.done_reason = piece.done_reason;
    });
    return got;
}

std::string body_of(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }

}  // namespace

TEST_CASE("the pieces of an answer come with their text, thinking and end") {
    ScriptedServer server(answer(200, R"({"model":"m","created_at":"x","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}
{"message":{"content":"Hello, "},"done":false}
{"message":{"content":"you"},"done":false}
{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":3,"new_field":[1]}
)"));
    const Answer got = chat(server);
    REQUIRE(got.result);
    CHECK(got.content == "Hello, you");
    CHECK(got.thinking == "hm");
    CHECK(got.done_reason == "stop");
}

TEST_CASE("an error in mid-stream keeps what came before it") {
    ScriptedServer server(answer(200, "{\"message\":{\"content\":\"Hel\"},\"done\":false}\n{\"error\":\"the engine died\"}\n"));
    const Answer got = chat(server);
    CHECK(got.content == "Hel");
    REQUIRE_FALSE(got.result);
    CHECK(got.result.error().message == "the engine died");
}

TEST_CASE("a stream that ends without its last line is an error") {
    ScriptedServer server(answer(200, "{\"message\":{\"content\":\"Hel\"},\"done\":false}\n"));
    CHECK(chat(server).result.error().message.contains("ended before"));
}

TEST_CASE("a refusal says what the server said") {
    ScriptedServer server(answer(404, R"({"error":"model 'x' not found"})"));
    const Answer got = chat(server);
    CHECK(got.result.error().code == ErrorCode::not_found);
    CHECK(got.result.error().message == "model 'x' not found");
}

TEST_CASE("a refusal without words still names its status") {
    ScriptedServer server(answer(502, "<html>"));
    CHECK(chat(server).result.error().message == "the server answered with status 502");
}

TEST_CASE("a chat sends only what is set") {
    ScriptedServer plain(answer(200, "{\"done\":true}\n"));
    REQUIRE(chat(plain).result);
    CHECK(body_of(plain.request()) == R"({"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true})");

    ScriptedServer full(answer(200, "{\"done\":true}\n"));
    REQUIRE(chat(full, {.model = "m", .think = JsonText{"\"high\""}, .format = JsonText{R"({"type":"object"})"},
                        .keep_alive = JsonText{"-1"}, .options = {{"stop", {"[\"a\"]"}}, {"top_k", {"3"}}}})
                .result);
    CHECK(body_of(full.request()) == R"({"model":"m","messages":[],"stream":true,"think":"high","format":{"type":"object"},)"
                                     R"("keep_alive":-1,"options":{"stop":["a"],"top_k":3}})");
}

TEST_CASE("show understands models with much or little to say") {
    ScriptedServer rich(answer(200, R"({"template":"T","details":{"families":null,"parameter_size":"3.2B","quantization_level":"Q4_K_M"},
        "capabilities":["completion","tools"],"model_info":{"general.architecture":"llama","llama.context_length":4096,
        "tokenizer.ggml.tokens":null,"general.size":18446744073709551615}})"));
    const auto shown = OllamaClient(rich.endpoint()).show("m");
    REQUIRE(shown);
    CHECK(shown->template_text == "T");
    CHECK(shown->details.parameter_size == "3.2B");
    CHECK(shown->can("tools"));
    CHECK_FALSE(shown->can("embedding"));
    CHECK(shown->info("context_length") == "4096");
    CHECK(shown->info("general.size") == "18446744073709551615");
    CHECK(shown->info("nothing").empty());

    ScriptedServer poor(answer(200, R"({"details":null,"model_info":null})"));
    CHECK(OllamaClient(poor.endpoint()).show("m"));
}

TEST_CASE("an embedding is the first vector as it was sent") {
    ScriptedServer server(answer(200, R"({"model":"m","embeddings":[[0.25,-1e-3]],"total_duration":1})"));
    CHECK(*OllamaClient(server.endpoint()).embed({.model = "m", .input = "x"}) == "[0.25,-1e-3]");
}

TEST_CASE("an answer that is no JSON is an error, not a crash") {
    for (const char* body : {"", "null", "[]", "{\"models\":3}", "{\"models\":[[[[", "Ollama is running"}) {
        ScriptedServer server(answer(200, body));
        const auto models = OllamaClient(server.endpoint()).list();
        REQUIRE_FALSE(models);
        CHECK(models.error().code == ErrorCode::internal);
    }
}
