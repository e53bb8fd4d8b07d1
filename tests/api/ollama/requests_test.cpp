#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "api/ollama/service_request.h"
#include "ollama_server.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::string chat(const std::string& fields) {
    return R"({"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}])" + fields + "}";
}

}  // namespace

TEST_CASE("keep_alive is read in every spelling") {
    struct Case {
        std::string text;
        std::optional<KeepAlive> expected;
    };
    const auto [text, expected] = GENERATE(values<Case>({
        {"null", std::nullopt},
        {"2", 2s},
        {"42.5", 42500ms},
        {"0", 0s},
        {R"("0")", 0s},
        {R"("0s")", 0s},
        {R"("90s")", 90s},
        {R"("300ms")", 300ms},
        {R"("1.5h")", 90min},
        {R"("2h45m")", 165min},
    }));
    OllamaServer server;
    server.has_model("m");
    INFO(text);
    CHECK(server.post("/api/chat", chat(",\"keep_alive\":" + text)).status == 200);
    CHECK(server.registry.acquired.back().keep_alive == expected);
}

TEST_CASE("a negative keep_alive is for ever") {
    const std::string text = GENERATE("-1", "-0.5", R"("-1m")", R"("-1s")");
    OllamaServer server;
    server.has_model("m");
    CHECK(server.post("/api/chat", chat(",\"keep_alive\":" + text)).status == 200);
    REQUIRE(server.registry.acquired.back().keep_alive.has_value());
    CHECK(*server.registry.acquired.back().keep_alive < 0s);
    CHECK(server.get("/api/ps").at("models.0.expires_at") > "\"2046");
}

TEST_CASE("a duration without a unit is refused") {
    const std::string text = GENERATE(R"("5")", R"("-1")", R"("abc")", R"("")", "{}", "[]", "true");
    OllamaServer server;
    server.has_model("m");
    for (const std::string path : {"/api/chat", "/api/generate", "/api/embed", "/api/embeddings"}) {
        const auto answer = server.post(path, R"({"model":"m","prompt":"a","input":"a","keep_alive":)" + text + "}");
        INFO(path << " " << text);
        CHECK(answer.status == 400);
        CHECK_FALSE(answer.error().empty());
    }
    CHECK(server.registry.acquired.empty());
}

TEST_CASE("a request without prompt loads the model, one with keep_alive 0 unloads it") {
    OllamaServer server;
    server.has_model("m");
    const std::string path = GENERATE("/api/generate", "/api/chat");
    const auto loaded = server.post(path, R"({"model":"m","options":{"num_ctx":2048}})");
    CHECK(loaded.status == 200);
    CHECK(loaded.content_type == "application/json; charset=utf-8");
    CHECK(loaded.at("done_reason") == "\"load\"");
    CHECK(loaded.at("done") == "true");
    CHECK(server.registry.acquired.back().context_tokens == 2048);
    CHECK(server.get("/api/ps").at("models.0.name") == "\"m:latest\"");
    CHECK(server.registry.leases("m") == 0);

    const auto unloaded = server.post(path, R"({"model":"m","keep_alive":0})");
    CHECK(unloaded.status == 200);
    CHECK(unloaded.at("done_reason") == "\"unload\"");
    CHECK(server.get("/api/ps").body == R"({"models":[]})");

    const auto again = server.post(path, R"({"model":"m","keep_alive":"0"})");
    CHECK(again.at("done_reason") == "\"unload\"");
}

TEST_CASE("a larger window is asked of the registry and of the runner") {
    OllamaServer server;
    auto& runner = server.has_model("m");
    CHECK(server.post("/api/chat", chat(R"(,"options":{"num_ctx":4096.0})")).status == 200);
    CHECK(server.registry.acquired.back().context_tokens == 4096);
    CHECK(runner.requests.back().context_tokens == 4096);
    CHECK(server.post("/api/embed", R"({"model":"m","input":"a","options":{"num_ctx":1024}})").status == 200);
    REQUIRE(server.registry.acquired.size() == 3);
    CHECK(server.registry.acquired[1].context_tokens == 1024);
}

TEST_CASE("a model's name may be written in any of its spellings") {
    const std::string name = GENERATE("M", "m", "m:latest", "library/m", "registry.ollama.ai/library/m:latest");
    OllamaServer server;
    server.has_model("m");
    const auto answer = server.post("/api/generate", R"({"model":")" + name + R"(","prompt":"a","stream":false})");
    CHECK(answer.status == 200);
    CHECK(answer.at("model") == "\"" + name + "\"");
}

TEST_CASE("a name that is none is refused before anything is looked up") {
    const std::string name = GENERATE(as<std::string>(), "m:", "../m", "a b", "n//m", std::string(81, 'x'));
    OllamaServer server;
    for (const std::string path : {"/api/generate", "/api/chat", "/api/show", "/api/embed", "/api/embeddings"}) {
        const auto answer = server.post(path, R"({"model":")" + name + R"("})");
        CHECK(answer.status == 400);
        CHECK(answer.error() == "invalid model name");
    }
}

TEST_CASE("more messages than anyone sends are refused") {
    OllamaServer server;
    server.has_model("m");
    std::string messages = R"({"role":"user","content":"a"})";
    for (int i = 0; i < 1 << 16; ++i) messages += R"(,{"role":"user"})";
    const auto answer = server.post("/api/chat", R"({"model":"m","messages":[)" + messages + "]}");
    CHECK(answer.status == 400);
    CHECK(answer.error() == "'messages' holds more than 65536 messages");
}

TEST_CASE("an answer is bounded by ten windows, whoever named the window, even when nobody did") {
    api::ollama::Generation generation{.wording = api::ollama::Wording::chat, .prompt = ChatPrompt{}};
    ModelInfo model;
    CHECK(to_chat_request(generation, model, 0).generate.max_tokens == 40960U);
    CHECK(to_chat_request(generation, model, 100).generate.max_tokens == 1000U);
    model.context_tokens = 200;
    CHECK(to_chat_request(generation, model, 100).generate.max_tokens == 2000U);
    generation.fields.options.context_tokens = 300;
    CHECK(to_chat_request(generation, model, 100).generate.max_tokens == 3000U);
    model.trained_context = 50;
    CHECK(to_chat_request(generation, model, 100).generate.max_tokens == 500U);
}
