#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "api/ollama/reply_reader.h"
#include "api/ollama/reply_writer.h"
#include "ollama_server.h"

using namespace weft;
using namespace weft::test;

namespace {

const std::string chat_body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";

std::string joined(const std::vector<api::Json>& lines, std::string_view path) {
    std::string text;
    for (const auto& line : lines) {
        const auto piece = at(line, path);
        if (piece != "absent") text += piece.substr(1, piece.size() - 2);
    }
    return text;
}

}  // namespace

TEST_CASE("the lines of a stream add up to the object of a whole answer") {
    OllamaServer server;
    server.has_model("m").answers("one two three four");
    const auto streamed = server.post("/api/generate", R"({"model":"m","prompt":"a"})");
    const auto whole = server.post("/api/generate", R"({"model":"m","prompt":"a","stream":false})");
    const auto lines = streamed.lines();
    CHECK(streamed.content_type == "application/x-ndjson");
    CHECK(whole.content_type == "application/json; charset=utf-8");
    REQUIRE(lines.size() >= 2);
    CHECK("\"" + joined(lines, "response") + "\"" == whole.at("response"));
    for (std::size_t i = 0; i < lines.size(); ++i) CHECK(at(lines[i], "done") == (i + 1 == lines.size() ? "true" : "false"));
    CHECK(at(lines.back(), "context") == whole.at("context"));
    CHECK(whole.at("context") != "absent");
    for (const std::string metric : {"total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
                                     "eval_count", "eval_duration"}) {
        INFO(metric);
        CHECK(std::stoll(whole.at(metric)) > 0);
        CHECK(std::stoll(at(lines.back(), metric)) > 0);
    }
}

TEST_CASE("durations are above zero even when nothing took any time") {
    OllamaServer server;
    server.has_model("m").answers(Script{.pieces = {"a"}, .timings = {}});
    server.registry.load_duration = std::chrono::nanoseconds(0);
    const auto answer = server.post("/api/generate", R"({"model":"m","prompt":"a","stream":false})");
    CHECK(answer.at("load_duration") == "1");
    CHECK(answer.at("prompt_eval_duration") == "1");
    CHECK(answer.at("eval_duration") == "1");
}

TEST_CASE("each token has one logprob item, whether or not its text is shown") {
    OllamaServer server;
    server.has_model("m", {"completion", "thinking"})
        .answers(Script{.pieces = {"<think>", "a", "</think>", "b", "", "c", "d", "e", "f", "g", "h"}});
    const std::string think = GENERATE("true", "false");
    const auto answer = server.post("/api/chat", R"({"model":"m","messages":[{"role":"user","content":"hi"}],"think":)" +
                                                     think + R"(,"logprobs":true,"options":{"num_predict":10}})");
    std::size_t items = 0;
    for (const auto& line : answer.lines())
        for (std::size_t i = 0; at(line, "logprobs." + std::to_string(i)) != "absent"; ++i) ++items;
    CHECK(items == 10);
    CHECK(at(answer.lines().back(), "eval_count") == "10");
    CHECK(at(answer.lines().back(), "done_reason") == "\"length\"");
}

TEST_CASE("alternatives are as many as were asked for, best first, with their bytes") {
    OllamaServer server;
    server.has_model("m").answers(Script{.pieces = {"\xC3\xA9"}});
    const auto answer =
        server.post("/api/generate", R"({"model":"m","prompt":"a","stream":false,"logprobs":true,"top_logprobs":5})");
    CHECK(answer.at("logprobs.0.token") == "\"\xC3\xA9\"");
    CHECK(answer.at("logprobs.0.bytes") == "[195,169]");
    CHECK(answer.at("logprobs.0.top_logprobs.5") == "absent");
    for (int i = 0; i + 1 < 5; ++i) {
        const std::string path = "logprobs.0.top_logprobs.";
        CHECK(std::stod(answer.at(path + std::to_string(i) + ".logprob")) >=
              std::stod(answer.at(path + std::to_string(i + 1) + ".logprob")));
    }
}

TEST_CASE("a token that is half a character is shown as a replacement, its bytes as they are") {
    const api::ollama::WallClock clock = [] { return std::chrono::system_clock::time_point{}; };
    api::ollama::ReplyWriter writer(api::ollama::Wording::generate, "m", clock);
    std::string line;
    writer.append_line(line, api::ollama::ReplyWriter::Thinking::no, "",
                       {{.chosen = {.logprob = -1, .bytes = "\xF0\x9F"}, .top = {}}});
    CHECK(line ==
          "{\"model\":\"m\",\"created_at\":\"1970-01-01T00:00:00.000000000Z\",\"response\":\"\",\"done\":false,"
          "\"logprobs\":[{\"token\":\"\xEF\xBF\xBD\xEF\xBF\xBD\",\"logprob\":-1,\"bytes\":[240,159]}]}\n");
}

TEST_CASE("characters of every kind arrive as valid JSON in every line") {
    OllamaServer server;
    server.has_model("m").answers(Script{.pieces = {"\xF0\x9F\x98\x80", "\"", "\\", "\n\t\x01\x7F", "</s>", "\xE2\x80\xA8"}});
    const auto answer = server.post("/api/chat", chat_body);
    CHECK(joined(answer.lines(), "message.content") ==
          "\xF0\x9F\x98\x80\\\"\\\\\\n\\t\\u0001\x7F</s>\xE2\x80\xA8");
}

TEST_CASE("a client that leaves cancels its generation and gives the model back") {
    OllamaServer server;
    auto& runner = server.has_model("m");
    runner.answers(Script{.pieces = {"a", "b"}, .hold = true});
    const auto answer = server.ask_and_leave_after(1, "/api/chat", chat_body);
    CHECK(answer.status == 200);
    CHECK(runner.cancelled == 1);
    CHECK(runner.running == 0);
    CHECK(server.registry.leases("m") == 0);
}

TEST_CASE("a client that leaves before its answer begins cancels its generation too") {
    OllamaServer server;
    auto& runner = server.has_model("m");
    runner.answers(Script{.pieces = {}, .hold = true});
    const std::string stream = GENERATE("true", "false");
    (void)server.ask_and_leave_after(0, "/api/generate", R"({"model":"m","prompt":"a","stream":)" + stream + "}");
    CHECK(runner.running == 0);
    CHECK(server.registry.leases("m") == 0);
}

TEST_CASE("what is there at once is read at once") {
    boost::asio::io_context io;
    auto [events, writer] = TokenStream::create(io.get_executor(), {});
    writer.push(PromptAccepted{.prompt_tokens = 1, .tokens = {7}});
    for (int i = 0; i < 3; ++i) writer.push(TextPiece{.text = "a", .n_tokens = 1, .tokens = {i}});
    writer.push(ChoiceFinished{.reason = FinishReason::length});
    writer.push(GenerationDone{.prompt_tokens = 1, .completion_tokens = 3});

    Reply reply{.lease = {}, .events = std::move(events)};
    api::ollama::ReplyReader reader(reply);
    auto batch = boost::asio::co_spawn(io, reader.next(), boost::asio::use_future);
    io.run();
    const auto all = batch.get();
    CHECK(all.content == "aaa");
    REQUIRE(all.done.has_value());
    CHECK(all.done->completion_tokens == 3);
    CHECK(reader.finish_reason() == FinishReason::length);
    CHECK(reader.take_tokens() == std::vector<Token>{7, 0, 1, 2});
}

TEST_CASE("a generation that the server cancelled is an error, not an end") {
    OllamaServer server;
    server.has_model("m").answers(Script{.pieces = {"a"}, .finish = FinishReason::cancelled});
    const auto answer = server.post("/api/chat", chat_body);
    CHECK(answer.body.ends_with("{\"error\":\"request canceled\"}\n"));
}
