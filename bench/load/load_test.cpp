// The load generator must not be what is wrong when a number surprises.
#include <algorithm>
#include <cmath>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "engine/sampling/random.h"
#include "dialect.h"
#include "histogram.h"
#include "load_run.h"
#include "prompts.h"
#include "url.h"

namespace weft::bench {
namespace {

namespace asio = boost::asio;

void rethrow(std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
}

std::size_t body_length(std::string_view head) {
    constexpr std::string_view name = "Content-Length: ";
    const auto at = head.find(name);
    return at == head.npos ? 0 : std::stoul(std::string(head.substr(at + name.size(), 10)));
}

// Answers each request on each connection with the same bytes, `piece` of them at a time.
class ScriptedServer {
  public:
    ScriptedServer(asio::io_context& io, std::string answer, std::size_t piece, bool close_after)
        : acceptor_(io, {asio::ip::address_v4::loopback(), 0}),
          answer_(std::move(answer)),
          piece_(piece),
          close_after_(close_after) {
        asio::co_spawn(io, accept(), rethrow);
    }
    [[nodiscard]] Endpoint endpoint() const { return acceptor_.local_endpoint(); }
    int connections = 0;

  private:
    asio::awaitable<void> accept() {
        for (;;) {
            auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
            if (error) co_return;
            ++connections;
            asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)), rethrow);
        }
    }

    asio::awaitable<void> serve(asio::ip::tcp::socket socket) {
        socket.set_option(asio::ip::tcp::no_delay(true));
        std::string received;
        for (;;) {
            const auto [error, n] = co_await asio::async_read_until(socket, asio::dynamic_buffer(received), "\r\n\r\n",
                                                                    asio::as_tuple(asio::use_awaitable));
            if (error) co_return;
            const std::size_t request = n + body_length(std::string_view(received).substr(0, n));
            if (request > received.size()) {
                const auto [cut, rest] = co_await asio::async_read(socket, asio::dynamic_buffer(received),
                                                                   asio::transfer_exactly(request - received.size()),
                                                                   asio::as_tuple(asio::use_awaitable));
                if (cut) co_return;
            }
            received.erase(0, request);
            for (std::size_t at = 0; at < answer_.size(); at += piece_) {
                const auto part = std::string_view(answer_).substr(at, piece_);
                const auto [failed, sent] =
                    co_await asio::async_write(socket, asio::buffer(part), asio::as_tuple(asio::use_awaitable));
                if (failed) co_return;
            }
            if (close_after_) co_return;
        }
    }

    asio::ip::tcp::acceptor acceptor_;
    std::string answer_;
    std::size_t piece_;
    bool close_after_;
};

struct Fetched {
    int status = 0;
    std::string body;
    std::string error;
    bool reusable = false;
};

asio::awaitable<void> fetch(asio::io_context& io, Endpoint server, int times, std::vector<Fetched>& out) {
    Connection connection(co_await asio::this_coro::executor, server);
    for (int i = 0; i < times; ++i) {
        auto& fetched = out.emplace_back();
        if (!connection.reusable()) {
            const auto opened = co_await connection.open();
            REQUIRE(opened.has_value());
        }
        const auto sent = co_await connection.send("GET / HTTP/1.1\r\n\r\n");
        REQUIRE(sent.has_value());
        const auto status = co_await connection.read_head();
        if (status) fetched.status = *status;
        for (bool more = status.has_value(); more;) {
            const auto piece = co_await connection.read_body();
            if (!piece) fetched.error = piece.error().message;
            more = piece && !piece->empty();
            if (more) fetched.body += *piece;
        }
        fetched.reusable = connection.reusable();
    }
    io.stop();
}

std::vector<Fetched> fetch_from(const std::string& answer, std::size_t piece, bool close_after = false, int times = 2) {
    asio::io_context io(1);
    ScriptedServer server(io, answer, piece, close_after);
    std::vector<Fetched> out;
    out.reserve(static_cast<std::size_t>(times));
    asio::co_spawn(io, fetch(io, server.endpoint(), times, out), rethrow);
    io.run();
    return out;
}

TEST_CASE("answers are read whole however they are framed and split") {
    const std::string with_length = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world";
    const std::string chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;note=1\r\n world\r\n0\r\nX: y\r\n\r\n";
    for (const auto& answer : {with_length, chunked})
        for (const std::size_t piece : {1, 2, 3, 7, 4096})
            for (const auto& fetched : fetch_from(answer, piece)) {
                CHECK(fetched.status == 200);
                CHECK(fetched.body == "hello world");
                CHECK(fetched.error.empty());
                CHECK(fetched.reusable);
            }
}

TEST_CASE("an answer without length ends with its connection") {
    for (const auto& fetched : fetch_from("HTTP/1.1 200 OK\r\n\r\nall of it", 4, true)) {
        CHECK(fetched.body == "all of it");
        CHECK(fetched.error.empty());
        CHECK_FALSE(fetched.reusable);
    }
}

TEST_CASE("an answer that stops in the middle is an error") {
    const auto fetched = fetch_from("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 64, true, 1);
    CHECK(fetched[0].body == "half");
    CHECK_FALSE(fetched[0].error.empty());
}

Measurement run_against(const std::string& answer, Options options) {
    asio::io_context io(1);
    ScriptedServer server(io, answer, 4096, false);
    // The load has its own loop: the server gets a thread.
    std::thread serving([&] { io.run(); });
    LoadRun run(options, server.endpoint());
    const Measurement measured = run.run();
    io.stop();
    serving.join();
    return measured;
}

std::string stream_of(const std::string& events) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(events.size()) + "\r\n\r\n" + events;
}

const std::string two_tokens =
    "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";

TEST_CASE("a closed loop counts requests, tokens and gaps") {
    const auto measured = run_against(stream_of(two_tokens + "data: [DONE]\n\n"), {.clients = 3, .requests = 12});
    CHECK(measured.completed == 12);
    CHECK(measured.completion_tokens == 24);
    CHECK(measured.prompt_tokens == 36);
    CHECK(measured.ttft.count() == 12);
    CHECK(measured.itl.count() == 12);
    CHECK(measured.good == 12);
    CHECK(measured.in_flight == 0);
    CHECK(measured.peak_in_flight <= 3);
}

TEST_CASE("a stream without its end, an error event and an error status count as failures of their kind") {
    const Options options{.requests = 2};
    CHECK(run_against(stream_of(two_tokens), options).errors().at("unfinished") == 2);
    CHECK(run_against(stream_of("data: {\"error\":{\"message\":\"x\"}}\n\n"), options).errors().at("error_event") == 2);
    CHECK(run_against("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", options).errors().at("http_503") == 2);
}

TEST_CASE("requests sent at once on one connection are all answered") {
    const auto measured = run_against("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                                      {.api = Api::get, .requests = 100, .pipeline = 8});
    CHECK(measured.completed == 100);
    CHECK(measured.errors().empty());
}

TEST_CASE("quantiles are right to half a percent") {
    Histogram histogram;
    Random random(3);
    std::vector<double> values(20000);
    for (auto& value : values) histogram.add(value = std::exp(12 * random.uniform()));
    std::ranges::sort(values);
    for (const double q : {0.01, 0.5, 0.9, 0.99})
        CHECK(histogram.quantile(q) == Catch::Approx(values[static_cast<std::size_t>(q * 20000) - 1]).epsilon(0.006));
    CHECK(histogram.max() == values.back());
    CHECK(histogram.min() == values.front());
    CHECK(Histogram().quantile(0.5) == 0);
}

TEST_CASE("events are understood in every dialect") {
    Answer openai;
    CHECK(take_line(Api::openai_chat, R"(data: {"choices":[{"delta":{"content":"x"}}]})", openai));
    CHECK_FALSE(take_line(Api::openai_chat, R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}]})", openai));
    CHECK_FALSE(take_line(Api::openai_chat, ": keep-alive", openai));
    CHECK_FALSE(take_line(Api::openai_chat,
                          R"(data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}})", openai));
    CHECK_FALSE(take_line(Api::openai_chat, "data: [DONE]\r", openai));
    CHECK(openai.finished);
    CHECK(openai.prompt_tokens == 7);
    CHECK(openai.completion_tokens == 5);

    Answer ollama;
    CHECK(take_line(Api::ollama_chat, R"({"message":{"role":"assistant","content":"x"},"done":false})", ollama));
    CHECK_FALSE(ollama.finished);
    CHECK_FALSE(take_line(Api::ollama_chat,
                          R"({"message":{"content":""},"done":true,"prompt_eval_count":4,"eval_count":9})", ollama));
    CHECK(ollama.finished);
    CHECK(ollama.prompt_tokens == 4);
    CHECK(ollama.completion_tokens == 9);

    // A model that talks about the protocol changes nothing.
    Answer quoting;
    CHECK(take_line(Api::ollama_generate, R"({"response":"\"done\":true, \"eval_count\":9","done":false})", quoting));
    CHECK_FALSE(quoting.finished);
}

TEST_CASE("prompts have the asked length, the shared prefix, and the seed's content") {
    Options options{.seed = 5, .prompt_kind = PromptKind::tokens, .prompt_tokens = 10, .shared_prefix_tokens = 4,
                    .first_token = 100, .last_token = 999};
    Prompts one(options), two(options);
    const auto first = one.next();
    const auto second = one.next();
    CHECK(first == two.next());
    CHECK(first != second);
    CHECK(std::ranges::count(first, ',') == 9);
    CHECK(first.substr(0, 17) == second.substr(0, 17));  // "[ddd,ddd,ddd,ddd,"
    options.prompt_kind = PromptKind::words;
    CHECK(std::ranges::count(Prompts(options).next(), ' ') == 10);
}

TEST_CASE("URLs") {
    CHECK(parse_url("http://localhost:11434/")->port == "11434");
    CHECK(parse_url("127.0.0.1:80")->host == "127.0.0.1");
    CHECK(parse_url("http://[::1]:8080/api/")->host == "::1");
    CHECK(parse_url("http://h/x/")->prefix == "/x");
    CHECK_FALSE(parse_url("https://h").has_value());
    CHECK_FALSE(parse_url("http://h:port").has_value());
    CHECK_FALSE(parse_url("").has_value());
}

}  // namespace
}  // namespace weft::bench
