// Every error of the contract that the served routes can give: status and text, as clients match on them.

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "api/ollama/errors.h"
#include "ollama_server.h"

using namespace weft;
using namespace weft::test;

namespace {

struct Case {
    std::string path;
    std::string body;
    int status;
    std::string text;
};

OllamaServer& server_with_models(OllamaServer& server) {
    server.has_model("m");
    server.has_model("thinker", {"completion", "thinking"});
    server.has_model("tooler", {"completion", "tools"});
    server.has_model("embedder", {"embedding"});
    server.has_model("filler", {"completion", "insert"});
    return server;
}

const std::string hi = R"("messages":[{"role":"user","content":"hi"}])";

}  // namespace

TEST_CASE("a wrong request is answered with the status and text that clients match on") {
    const auto [path, body, status, text] = GENERATE(values<Case>({
        // bodies
        {"/api/chat", "", 400, "missing request body"},
        {"/api/generate", " \n", 400, "missing request body"},
        {"/api/embed", "", 400, "missing request body"},
        {"/api/embeddings", "", 400, "missing request body"},
        {"/api/show", "", 400, "missing request body"},
        {"/api/chat", "[1]", 400, "the request body must be a JSON object"},
        {"/api/generate", R"({"model":"m","stream":"x"})", 400, "'stream' must be a boolean, not a string"},
        {"/api/generate", R"({"model":1})", 400, "'model' must be a string, not a number"},
        {"/api/generate", R"({"model":"m","prompt":["a"]})", 400, "'prompt' must be a string, not an array"},
        {"/api/generate", R"({"model":"m","prompt":"a","context":"x"})", 400, "'context' must be an array, not a string"},
        {"/api/generate", R"({"model":"m","prompt":"a","context":[-1]})", 400, "'context[0]' must be at least 0"},
        // model names
        {"/api/generate", R"({"prompt":"a"})", 404, "model '' not found"},
        {"/api/embed", R"({"input":"a"})", 404, "model '' not found"},
        {"/api/chat", "{" + hi + "}", 400, "model is required"},
        {"/api/embeddings", R"({"prompt":"a"})", 400, "model is required"},
        {"/api/show", "{}", 400, "model is required"},
        {"/api/show", R"({"model":""})", 400, "model is required"},
        {"/api/generate", R"({"model":"m:","prompt":"a"})", 400, "invalid model name"},
        {"/api/chat", R"({"model":"../m",)" + hi + "}", 400, "invalid model name"},
        {"/api/show", R"({"model":"a b"})", 400, "invalid model name"},
        {"/api/embed", R"({"model":"/n/m","input":"a"})", 400, "invalid model name"},
        {"/api/generate", R"({"model":"nope","prompt":"a"})", 404, "model 'nope' not found"},
        {"/api/generate", R"({"model":"nope"})", 404, "model 'nope' not found"},
        {"/api/generate", R"({"model":"nope","keep_alive":0})", 404, "model 'nope' not found"},
        {"/api/chat", R"({"model":"nope:v1",)" + hi + "}", 404, "model 'nope:v1' not found"},
        {"/api/chat", R"({"model":"nope","keep_alive":0})", 404, "model 'nope' not found"},
        {"/api/show", R"({"model":"nope"})", 404, "model 'nope:latest' not found"},
        {"/api/show", R"({"name":"u/nope"})", 404, "model 'u/nope:latest' not found"},
        {"/api/embed", R"({"model":"nope","input":"a"})", 404, "model \"nope\" not found, try pulling it first"},
        {"/api/embeddings", R"({"model":"nope","prompt":"a"})", 404, "model \"nope\" not found, try pulling it first"},
        // what the model cannot do
        {"/api/chat", R"({"model":"m","tools":[{"type":"function","function":{"name":"f"}}],)" + hi + "}", 400,
         "\"m\" does not support tools"},
        {"/api/chat", R"({"model":"m","tools":[{"type":"function","function":{"name":"f"}}]})", 400,
         "\"m\" does not support tools"},
        {"/api/chat", R"({"model":"m","tools":{},)" + hi + "}", 400, "'tools' must be an array, not an object"},
        {"/api/generate", R"({"model":"m","prompt":"a","suffix":"b"})", 400, "\"m\" does not support insert"},
        {"/api/generate", R"({"model":"embedder","prompt":"a"})", 400, "\"embedder\" does not support generate"},
        {"/api/generate", R"({"model":"embedder"})", 400, "\"embedder\" does not support generate"},
        {"/api/chat", R"({"model":"embedder",)" + hi + "}", 400, "\"embedder\" does not support chat"},
        {"/api/chat", R"({"model":"m","think":true,)" + hi + "}", 400, "\"m\" does not support thinking"},
        {"/api/chat", R"({"model":"m","think":"high"})", 400, "\"m\" does not support thinking"},
        {"/api/generate", R"({"model":"m","think":true,"prompt":"a"})", 400, "\"m\" does not support thinking"},
        // fields
        {"/api/chat", R"({"model":"thinker","think":"x",)" + hi + "}", 400,
         R"(invalid think value: "x" (must be "high", "medium", "low", "max", true, or false))"},
        {"/api/chat", R"({"model":"thinker","think":1,)" + hi + "}", 400,
         R"(invalid think value: "1" (must be "high", "medium", "low", "max", true, or false))"},
        {"/api/chat", R"({"model":"m","top_logprobs":21,)" + hi + "}", 400, "top_logprobs must be between 0 and 20"},
        {"/api/generate", R"({"model":"m","prompt":"a","top_logprobs":-1})", 400,
         "top_logprobs must be between 0 and 20"},
        {"/api/generate", R"({"model":"m","prompt":"a","raw":true,"system":"s"})", 400,
         "raw mode does not support template, system, or context"},
        {"/api/generate", R"({"model":"m","prompt":"a","raw":true,"template":"t"})", 400,
         "raw mode does not support template, system, or context"},
        {"/api/generate", R"({"model":"m","prompt":"a","raw":true,"context":[1]})", 400,
         "raw mode does not support template, system, or context"},
        {"/api/generate", R"({"model":"filler","prompt":"a","raw":true,"suffix":"b"})", 400,
         "raw mode does not support suffix"},
        {"/api/generate", R"({"model":"m","prompt":"a","format":"xml"})", 400,
         R"(invalid format: "xml"; expected "json" or a valid JSON Schema object)"},
        {"/api/chat", R"({"model":"m","format":[1],)" + hi + "}", 400,
         R"(invalid format: [1]; expected "json" or a valid JSON Schema object)"},
        {"/api/chat", R"({"model":"m","keep_alive":"5",)" + hi + "}", 400, "time: missing unit in duration \"5\""},
        {"/api/chat", R"({"model":"m","keep_alive":true,)" + hi + "}", 400,
         R"('keep_alive' must be a duration such as "10m" or a number of seconds, not a boolean)"},
        {"/api/chat", R"({"model":"m","options":{"num_ctx":"4096"},)" + hi + "}", 400,
         "option \"num_ctx\" must be of type integer"},
        {"/api/embed", R"({"model":"m","input":"a","options":{"num_ctx":"4096"}})", 400,
         "option \"num_ctx\" must be of type integer"},
        // messages
        {"/api/chat", R"({"model":"m","messages":{}})", 400, "'messages' must be an array, not an object"},
        {"/api/chat", R"({"model":"m","messages":["hi"]})", 400, "'messages[0]' must be an object, not a string"},
        {"/api/chat", R"({"model":"m","messages":[{"content":"a"}]})", 400, "'messages[0].role' is required"},
        {"/api/chat", R"({"model":"m","messages":[{"role":"<|x|>","content":"a"}]})", 400,
         "'messages[0].role' must be system, user, assistant or tool"},
        {"/api/chat", R"({"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]})", 400,
         "'messages[0].content' must be a string, not an array"},
        {"/api/chat",
         R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]})",
         400, "'messages[0].tool_calls[0].function.arguments' must be an object, not a string"},
        {"/api/chat", R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]})", 400,
         "'messages[0].tool_calls[0].function' is required"},
        // not there yet
        {"/api/chat", R"({"model":"m","messages":[{"role":"user","content":"a","images":["aGk="]}]})", 400,
         "'messages[0].images[0]' must be a PNG, JPEG, WebP, GIF or BMP image"},
        {"/api/generate", R"({"model":"m","prompt":"a","images":"aGk="})", 400,
         "'images' must be an array, not a string"},
        {"/api/generate", R"({"model":"filler","prompt":"a","suffix":"b","_debug_render_only":true})", 501,
         "a prompt with a suffix cannot be shown as text yet"},
        {"/api/create", "{}", 501, "/api/create is not available in this server yet"},
        {"/api/copy", "{}", 501, "/api/copy is not available in this server yet"},
        {"/api/pull", "{}", 501, "/api/pull is not available in this server yet"},
        {"/api/push", "{}", 501, "/api/push is not available in this server yet"},
        {"/api/blobs/sha256:00", "x", 501, "/api/blobs/sha256:00 is not available in this server yet"},
        // embeddings
        {"/api/embed", R"({"model":"m","input":1})", 400, "invalid input type"},
        {"/api/embed", R"({"model":"m","input":["a",1]})", 400, "invalid input type"},
        {"/api/embed", R"({"model":"m","input":{}})", 400, "invalid input type"},
        {"/api/embed", R"({"model":"m","input":"a","dimensions":-1})", 400, "'dimensions' must be at least 0"},
        {"/api/embed", R"({"model":"m","input":"a","truncate":1})", 400, "'truncate' must be a boolean, not a number"},
        {"/api/embeddings", R"({"model":"m","prompt":["a"]})", 400, "'prompt' must be a string, not an array"},
    }));
    OllamaServer server;
    const auto answer = server_with_models(server).post(path, body);
    INFO(path << " " << body);
    CHECK(answer.error() == text);
    CHECK(answer.status == status);
    CHECK(answer.content_type == "application/json; charset=utf-8");
    CHECK(answer.writes.empty());
}

TEST_CASE("a body that is no JSON is the client's fault") {
    const std::string body = GENERATE("{", "{\"model\":}", "nonsense", "{\"model\":\"m\"} x", "{\"model\":\"\xFF\"}");
    OllamaServer server;
    for (const std::string path : {"/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"}) {
        const auto answer = server.post(path, body);
        CHECK(answer.status == 400);
        CHECK(answer.error().starts_with("the request body is not valid JSON"));
    }
}

TEST_CASE("what goes wrong behind the service has its status and text, streamed or not") {
    struct Behind {
        Error error;
        int status;
        std::string text;
    };
    const auto [error, status, text] = GENERATE(values<Behind>({
        {{.code = ErrorCode::overloaded, .message = "inbox full", .retry_after_s = 3}, 503,
         "server busy, please try again.  maximum pending requests exceeded"},
        {{.code = ErrorCode::overloaded, .message = "the deadline cannot be met", .field = "x-weft-deadline-ms"}, 503,
         "the deadline cannot be met"},
        {{.code = ErrorCode::shutting_down}, 503, "the server is shutting down"},
        {{.code = ErrorCode::context_overflow, .message = "?", .prompt_tokens = 5000, .context_tokens = 4096}, 400,
         "the input length exceeds the context length (5000 tokens for a context of 4096)"},
        {{.code = ErrorCode::context_overflow}, 400, "the input length exceeds the context length"},
        {{.code = ErrorCode::model_load_failed, .message = "the model requires more system memory"}, 500,
         "the model requires more system memory"},
        {{.code = ErrorCode::engine_failed, .message = "the engine died"}, 500, "the engine died"},
        {{.code = ErrorCode::cancelled}, 499, "request canceled"},
        {{.code = ErrorCode::timeout, .message = "too slow"}, 504, "too slow"},
        {{.code = ErrorCode::too_large, .message = "too much"}, 413, "too much"},
        {{.code = ErrorCode::internal}, 500, "internal"},
    }));
    const std::string stream = GENERATE("true", "false");
    OllamaServer server;
    server.has_model("m").answers(Script{.refuse = error});
    const auto answer = server.post("/api/chat", R"({"model":"m","stream":)" + stream + "," + hi + "}");
    CHECK(answer.status == status);
    CHECK(answer.error() == text);
    CHECK(answer.content_type == "application/json; charset=utf-8");

    server.registry.acquire_fails = error;
    const auto refused = server.post("/api/generate", R"({"model":"m","prompt":"a","stream":)" + stream + "}");
    CHECK(refused.status == status);
    CHECK(refused.error() == text);
}

TEST_CASE("a busy server says when to come back") {
    const auto response = api::ollama::error_response({.code = ErrorCode::overloaded, .retry_after_s = 3});
    CHECK(response.status == 503);
    CHECK(response.headers == http::Headers{{"retry-after", "3"}});
}

TEST_CASE("an error after the first line is the last line, without done") {
    OllamaServer server;
    server.has_model("m").answers(
        Script{.pieces = {"Hel"}, .break_off = Error{.code = ErrorCode::engine_failed, .message = "the engine died"}});
    const std::string path = GENERATE("/api/chat", "/api/generate");
    const auto answer = server.post(path, R"({"model":"m","prompt":"a",)" + hi + "}");
    CHECK(answer.status == 200);
    CHECK(answer.ended);
    const auto lines = answer.lines();
    REQUIRE(lines.size() >= 2);
    CHECK(at(lines.front(), "done") == "false");
    CHECK(answer.body.ends_with("{\"error\":\"the engine died\"}\n"));

    const auto whole = server.post(path, R"({"model":"m","stream":false,"prompt":"a",)" + hi + "}");
    CHECK(whole.status == 500);
    CHECK(whole.error() == "the engine died");
}

TEST_CASE("an answer that is too long for one object is refused instead of filling the memory") {
    OllamaServer server;
    server.has_model("m").answers(Script{.pieces = std::vector<std::string>(70, std::string(1 << 20, 'x'))});
    const auto answer = server.post("/api/generate", R"({"model":"m","prompt":"a","stream":false})");
    CHECK(answer.status == 413);
    CHECK(answer.error() == "the answer is too long for one object: stream it");
}

TEST_CASE("errors that the transport finds have the dialect's shape") {
    using api::ollama::format_transport_error;
    const http::Request request;
    const auto missing = format_transport_error(request, 404, "not_found", "no such route");
    CHECK(missing.status == 404);
    CHECK(missing.content_type == "text/plain; charset=utf-8");
    CHECK(missing.body == "404 page not found");
    const auto method = format_transport_error(request, 405, "method_not_allowed", "use \"POST\"");
    CHECK(method.status == 405);
    CHECK(method.body == R"({"error":"use \"POST\""})");
    const auto host = format_transport_error(request, 403, "host_not_allowed", "no");
    CHECK(host.status == 403);
    CHECK(host.body.empty());
    CHECK(format_transport_error(request, 403, "origin_not_allowed", "no").body == R"({"error":"no"})");
}
