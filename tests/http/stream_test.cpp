#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/ndjson_writer.h"
#include "http/sse_writer.h"
#include "test_server.h"

namespace weft::http::test {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// What handlers of these tests wait for, and what they tell the test. Members that are not atomic: io thread.
struct Stage {
    explicit Stage(asio::io_context& io) : gate(io, asio::steady_timer::time_point::max()) {}
    asio::steady_timer gate;
    std::atomic<int> running = 0;
    std::atomic<int> gone = 0;
    std::atomic<int> refused_writes = 0;
    std::atomic<std::size_t> written = 0;
};

asio::awaitable<void> wait_at(asio::steady_timer& gate) {
    co_await gate.async_wait(asio::as_tuple(asio::use_awaitable));
}

// Waits until the gate opens or the client goes, then answers.
asio::awaitable<void> answer_late(Exchange& exchange, Stage& stage) {
    exchange.on_client_gone([&] {
        ++stage.gone;
        stage.gate.cancel();
    });
    ++stage.running;
    co_await wait_at(stage.gate);
    co_await exchange.reply({.body = "late"});
    --stage.running;
}

// One event, then nothing until the gate opens, then the end.
asio::awaitable<void> stream_late(Exchange& exchange, Stage& stage) {
    SseWriter events(exchange);
    co_await events.start();
    exchange.on_client_gone([&] {
        ++stage.gone;
        stage.gate.cancel();
    });
    if (!co_await events.write("first")) ++stage.refused_writes;
    ++stage.running;
    co_await wait_at(stage.gate);
    if (co_await events.write("last"))
        co_await events.finish();
    else
        ++stage.refused_writes;
    --stage.running;
}

// Writes for as long as the client takes it.
asio::awaitable<void> stream_without_end(Exchange& exchange, Stage& stage) {
    co_await exchange.start_stream("text/plain");
    ++stage.running;
    const std::string data(16 * 1024, 'x');
    while (co_await exchange.write(data)) stage.written += data.size();
    --stage.running;
}

asio::awaitable<void> abort_after_one(Exchange& exchange) {
    SseWriter events(exchange);
    co_await events.start();
    co_await events.write("{\"error\":\"broken\"}");
    exchange.abort_stream();
}

asio::awaitable<void> throw_before(Exchange&) {
    throw std::runtime_error("secret of the log");
    co_return;
}
asio::awaitable<void> throw_within(Exchange& exchange) {
    co_await exchange.start_stream("text/plain");
    co_await exchange.write("begun");
    throw std::runtime_error("secret of the log");
}
asio::awaitable<void> say_nothing(Exchange&) { co_return; }
asio::awaitable<void> answer_twice(Exchange& exchange) {
    co_await exchange.reply({.body = "one"});
    co_await exchange.reply({.body = "two"});
}
asio::awaitable<void> forget_the_end(Exchange& exchange) {
    co_await exchange.start_stream("text/plain");
    co_await exchange.write("begun");
}
asio::awaitable<void> mixed_events(Exchange& exchange) {
    exchange.add_header("x-extra", "1");
    SseWriter events(exchange);
    co_await events.start({{"X-Own", "2"}});
    events.add("{\"a\":1}");
    events.add_event("response.created", "{\"b\":2}");
    events.add("two\nlines");
    co_await events.flush();
    events.add_keep_alive();
    events.add_done();
    co_await events.finish();
}
asio::awaitable<void> empty_writes(Exchange& exchange) {
    co_await exchange.start_stream("text/plain");
    co_await exchange.write("");
    co_await exchange.write("a");
    co_await exchange.write("");
    co_await exchange.finish_stream();
}
asio::awaitable<void> hostile_header(Exchange& exchange) {
    co_await exchange.reply({.body = "{}", .headers = {{"X-Name", "a\r\nSet-Cookie: b\n\0c"}, {"cache-control", "no-store"}}});
}
asio::awaitable<void> no_content(Exchange& exchange) { co_await exchange.reply({.status = 204, .body = "never sent"}); }
asio::awaitable<void> large_reply(Exchange& exchange) { co_await exchange.reply({.body = std::string(8 << 20, 'y')}); }

struct StreamServer {
    explicit StreamServer(ServerOptions options = {.linger_time = milliseconds(200), .sweep_period = milliseconds(20)})
        : server([this](Router& router) { add_routes(router); }, options) {
        server.on_io([this] { stage = std::make_unique<Stage>(server.io); });
    }
    ~StreamServer() {
        server.on_io([this] {
            server.server->stop();
            stage->gate.cancel();
        });
        CHECK(eventually([&] { return server.connections() == 0; }));
        server.on_io([this] { stage.reset(); });
    }
    void add_routes(Router& router) {
        router.add("GET", "/late", [this](Exchange& exchange) { return answer_late(exchange, *stage); });
        router.add("POST", "/late", [this](Exchange& exchange) { return answer_late(exchange, *stage); });
        router.add("GET", "/stream", [this](Exchange& exchange) { return stream_late(exchange, *stage); });
        router.add("GET", "/endless", [this](Exchange& exchange) { return stream_without_end(exchange, *stage); });
        router.add("GET", "/abort", abort_after_one);
        router.add("GET", "/throw", throw_before);
        router.add("GET", "/throw-within", throw_within);
        router.add("GET", "/nothing", say_nothing);
        router.add("GET", "/twice", answer_twice);
        router.add("GET", "/forget", forget_the_end);
        router.add("GET", "/mixed", mixed_events);
        router.add("GET", "/empty", empty_writes);
        router.add("GET", "/hostile", hostile_header);
        router.add("GET", "/no-content", no_content);
        router.add("GET", "/large", large_reply);
    }
    void open_gate() {
        server.on_io([this] { stage->gate.cancel(); });
    }
    std::uint16_t port() { return server.port(); }

    std::unique_ptr<Stage> stage;
    TestServer server;
};

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"; }
std::string head(const std::string& path) { return "HEAD " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"; }

}  // namespace

TEST_CASE("events go out in the framing of server-sent events") {
    StreamServer s;
    RawClient client(s.port());
    const auto response = client.ask(get("/mixed"));
    CHECK(response.complete);
    CHECK(response.headers.at("content-type") == "text/event-stream");
    CHECK(response.headers.at("x-extra") == "1");
    CHECK(response.headers.at("x-own") == "2");
    CHECK(response.body ==
          "data: {\"a\":1}\n\nevent: response.created\ndata: {\"b\":2}\n\ndata: two\ndata: lines\n\n: keep-alive\n\n"
          "data: [DONE]\n\n");
}

TEST_CASE("an event reaches the client while the stream goes on") {
    StreamServer s;
    RawClient client(s.port());
    client.send(get("/stream"));
    CHECK(client.receive_until("first\n\n").contains("data: first\n\n"));
    s.open_gate();
    const auto response = client.receive();
    CHECK(response.complete);
    CHECK(response.body == "data: first\n\ndata: last\n\n");
    CHECK(client.ask(get("/nothing")).status == 500);
}

TEST_CASE("a write of nothing does not end a stream") {
    StreamServer s;
    RawClient client(s.port());
    CHECK(client.ask(get("/empty")).body == "a");
}

TEST_CASE("a client of HTTP/1.0 gets a stream that ends with the connection") {
    StreamServer s;
    RawClient client(s.port());
    const auto response = client.ask("GET /mixed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(response.headers.at("connection") == "close");
    CHECK_FALSE(response.headers.contains("transfer-encoding"));
    CHECK(response.body.ends_with("data: [DONE]\n\n"));
    CHECK_FALSE(client.was_reset());
}

TEST_CASE("a client of HTTP/1.0 gets plain answers, and keeps its connection when it asks to") {
    StreamServer s;
    RawClient once(s.port());
    CHECK(once.ask("GET /twice HTTP/1.0\r\n\r\n").body == "one");
    CHECK(once.at_end());
    RawClient again(s.port());
    const auto kept = again.ask("GET /empty-not-there HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(kept.status == 404);
    CHECK(kept.headers.at("connection") == "keep-alive");
    CHECK(again.ask("GET /throw HTTP/1.0\r\n\r\n").status == 500);
    CHECK(again.at_end());
}

TEST_CASE("an aborted stream looks broken, and what was sent before it arrives") {
    StreamServer s;
    RawClient client(s.port());
    const auto response = client.ask(get("/abort"));
    CHECK(response.body == "data: {\"error\":\"broken\"}\n\n");
    CHECK_FALSE(response.complete);
    RawClient old(s.port());
    old.ask("GET /abort HTTP/1.0\r\n\r\n");
    CHECK(old.was_reset());
}

TEST_CASE("a handler that fails is answered for, without its secrets") {
    StreamServer s;
    RawClient client(s.port());
    const auto before = client.ask(get("/throw"));
    CHECK(before.status == 500);
    CHECK_FALSE(before.body.contains("secret"));
    CHECK(client.ask(get("/nothing")).status == 500);
    const auto within = client.ask(get("/throw-within"));
    CHECK(within.status == 200);
    CHECK(within.body == "begun");
    CHECK_FALSE(within.complete);
    CHECK_FALSE(RawClient(s.port()).ask(get("/forget")).complete);
    RawClient twice(s.port());
    CHECK(twice.ask(get("/twice")).body == "one");
    CHECK(twice.at_end());
}

TEST_CASE("HEAD is answered like GET without the body") {
    StreamServer s;
    RawClient client(s.port());
    const auto large = client.ask(head("/large"), true);
    CHECK(large.status == 200);
    CHECK(large.headers.at("content-length") == std::to_string(8 << 20));
    const auto stream = client.ask(head("/mixed"), true);
    CHECK(stream.status == 200);
    CHECK(stream.headers.at("content-type") == "text/event-stream");
    CHECK(client.ask(head("/nowhere"), true).status == 404);
    CHECK(client.ask(get("/empty")).body == "a");
}

TEST_CASE("a status without content has no body and no length") {
    StreamServer s;
    RawClient client(s.port());
    const auto response = client.ask(get("/no-content"));
    CHECK(response.status == 204);
    CHECK_FALSE(response.headers.contains("content-length"));
    CHECK_FALSE(response.headers.contains("content-type"));
    CHECK(client.ask(get("/empty")).body == "a");
}

TEST_CASE("a value cannot break out of its header") {
    StreamServer s;
    RawClient client(s.port());
    const auto response = client.ask(get("/hostile"));
    CHECK_FALSE(response.headers.contains("set-cookie"));
    CHECK(response.headers.at("x-name").starts_with("a  Set-Cookie: b"));
}

TEST_CASE("a large answer reaches a client that reads late") {
    StreamServer s;
    RawClient client(s.port(), 4096);
    client.send(get("/large"));
    std::this_thread::sleep_for(milliseconds(50));
    const auto response = client.receive();
    CHECK(response.complete);
    CHECK(response.body.size() == 8 << 20);
    CHECK(response.body.find_first_not_of('y') == std::string::npos);
    CHECK(client.ask(get("/empty")).body == "a");
}

TEST_CASE("pipelined requests are answered in order") {
    StreamServer s;
    RawClient client(s.port());
    std::string requests;
    for (int i = 0; i < 100; ++i) requests += get(i % 2 == 0 ? "/empty" : "/no-content");
    client.send(requests);
    for (int i = 0; i < 100; ++i) REQUIRE(client.receive().status == (i % 2 == 0 ? 200 : 204));
}

TEST_CASE("requests that arrive while one is answered are neither lost nor taken for the end") {
    StreamServer s;
    RawClient client(s.port());
    client.send(get("/stream"));
    client.receive_until("first");
    client.send(get("/empty") + "GET /emp");
    std::this_thread::sleep_for(milliseconds(50));
    CHECK(s.stage->gone == 0);
    s.open_gate();
    CHECK(client.receive().body == "data: first\n\ndata: last\n\n");
    CHECK(client.receive().body == "a");
    CHECK(client.ask("ty HTTP/1.1\r\nHost: a\r\n\r\n").body == "a");
}

TEST_CASE("more pipelined bytes than are taken in wait for their turn") {
    StreamServer s({.max_pipelined_bytes = 1000, .linger_time = milliseconds(200), .sweep_period = milliseconds(20)});
    RawClient client(s.port());
    std::string requests = get("/stream");
    for (int i = 0; i < 5000; ++i) requests += get("/empty");
    std::thread sender([&] { client.send(requests); });
    CHECK(eventually([&] { return s.stage->running == 1; }));
    s.open_gate();
    sender.join();
    CHECK(client.receive().complete);
    for (int i = 0; i < 5000; ++i) REQUIRE(client.receive().body == "a");
}

TEST_CASE("a client that leaves before its answer is noticed") {
    StreamServer s;
    SECTION("by closing") {
        RawClient client(s.port());
        client.send(get("/late"));
        CHECK(eventually([&] { return s.stage->running == 1; }));
        client.close();
        CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
    }
    SECTION("by a reset") {
        RawClient client(s.port());
        client.send(get("/late"));
        CHECK(eventually([&] { return s.stage->running == 1; }));
        client.reset();
        CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
    }
    SECTION("by closing its sending side") {
        RawClient client(s.port());
        client.send(get("/late"));
        CHECK(eventually([&] { return s.stage->running == 1; }));
        client.shut_down_sending();
        CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
        CHECK(client.at_end());
    }
    SECTION("by closing behind pipelined requests") {
        RawClient client(s.port());
        client.send(get("/late") + get("/empty") + get("/empty"));
        CHECK(eventually([&] { return s.stage->running == 1; }));
        client.close();
        CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
    }
    SECTION("by closing together with the last byte of its body") {
        RawClient client(s.port());
        client.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        client.close();
        CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
    }
    CHECK(eventually([&] { return s.server.connections() == 0; }));
}

TEST_CASE("a client that leaves behind more pipelined bytes than are taken in is noticed") {
    StreamServer s({.max_pipelined_bytes = 1000, .linger_time = milliseconds(200), .sweep_period = milliseconds(20)});
    RawClient client(s.port());
    std::string requests = get("/late");
    for (int i = 0; i < 500; ++i) requests += get("/empty");
    client.send(requests);
    CHECK(eventually([&] { return s.stage->running == 1; }));
    client.shut_down_sending();
    CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
}

TEST_CASE("a stream to a fast reader leaves others their turn") {
    StreamServer s;
    RawClient fast(s.port());
    fast.send(get("/endless"));
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        while (!stop && fast.receive_some()) {
        }
    });
    CHECK(eventually([&] { return s.stage->written > 1'000'000; }));
    for (int i = 0; i < 20; ++i) REQUIRE(RawClient(s.port()).ask(get("/empty")).body == "a");
    stop = true;
    reader.join();
    fast.close();
}

TEST_CASE("a client that leaves within a stream is noticed while nothing is written") {
    StreamServer s;
    RawClient client(s.port());
    client.send(get("/stream"));
    client.receive_until("first");
    SECTION("by closing") { client.close(); }
    SECTION("by a reset") { client.reset(); }
    SECTION("by closing its sending side") { client.shut_down_sending(); }
    CHECK(eventually([&] { return s.stage->gone == 1 && s.stage->running == 0; }));
    CHECK(s.stage->refused_writes == 1);
}

TEST_CASE("a stream waits for a slow reader and ends when it leaves") {
    StreamServer s;
    RawClient client(s.port(), 4096);
    client.send(get("/endless"));
    client.receive_until("xxx");
    std::size_t before = 1;
    CHECK(eventually([&] {
        std::this_thread::sleep_for(milliseconds(50));
        return std::exchange(before, s.stage->written.load()) == s.stage->written;
    }));
    CHECK(s.stage->running == 1);
    client.close();
    CHECK(eventually([&] { return s.stage->running == 0; }));
}

TEST_CASE("a reader that takes nothing at all counts as gone after a while") {
    StreamServer s({.write_stall_time = milliseconds(200), .linger_time = milliseconds(100), .sweep_period = milliseconds(20)});
    RawClient client(s.port(), 4096);
    client.send(get("/endless"));
    client.receive_until("xxx");
    CHECK(eventually([&] { return s.stage->running == 0 && s.stage->written > 0; }));
    CHECK(eventually([&] { return s.server.connections() == 0; }));
}

TEST_CASE("a thousand streams are open at once") {
    StreamServer s;
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 1000; ++i) {
        clients.push_back(std::make_unique<RawClient>(s.port()));
        clients.back()->send(get("/stream"));
    }
    for (const auto& client : clients) REQUIRE(client->receive_until("first\n\n").contains("first"));
    CHECK(eventually([&] { return s.stage->running == 1000; }));
    s.open_gate();
    for (const auto& client : clients) {
        const auto response = client->receive();
        REQUIRE(response.complete);
        REQUIRE(response.body == "data: first\n\ndata: last\n\n");
    }
}

TEST_CASE("draining lets running answers end, closes what is idle and still answers who comes now") {
    StreamServer s;
    RawClient idle(s.port()), streaming(s.port()), late(s.port());
    CHECK(idle.ask(get("/empty")).status == 200);
    streaming.send(get("/stream"));
    streaming.receive_until("first");
    late.send(get("/late"));
    CHECK(eventually([&] { return s.stage->running == 2; }));
    std::atomic<bool> drained = false;
    s.server.on_io([&] { s.server.server->drain(std::chrono::seconds(30), [&] { drained = true; }); });
    CHECK(idle.at_end());
    {
        RawClient newcomer(s.port());
        CHECK(newcomer.ask(get("/empty")).headers.at("connection") == "close");
        CHECK(newcomer.at_end());
        RawClient silent(s.port());
        CHECK(silent.at_end());  // asks nothing: must not hold up the end
    }
    CHECK_FALSE(drained);
    s.open_gate();
    CHECK(streaming.receive().complete);
    const auto response = late.receive();
    CHECK(response.body == "late");
    CHECK(response.headers.at("connection") == "close");
    CHECK(late.at_end());
    streaming.close();
    late.close();
    CHECK(eventually([&] { return drained.load(); }));
    CHECK(s.stage->gone == 0);
}

TEST_CASE("what still runs when the time to drain is over is cut off") {
    StreamServer s;
    RawClient streaming(s.port());
    streaming.send(get("/stream"));
    streaming.receive_until("first");
    std::atomic<bool> drained = false;
    s.server.on_io([&] { s.server.server->drain(milliseconds(100), [&] { drained = true; }); });
    CHECK_FALSE(streaming.receive().complete);
    CHECK(eventually([&] { return drained.load(); }));
    CHECK(s.stage->gone == 1);
    CHECK(s.stage->refused_writes == 1);
}

TEST_CASE("draining without connections is done at once") {
    StreamServer s;
    std::atomic<bool> drained = false;
    s.server.on_io([&] { s.server.server->drain(std::chrono::seconds(30), [&] { drained = true; }); });
    CHECK(eventually([&] { return drained.load(); }));
}

TEST_CASE("stopping ends everything now") {
    StreamServer s;
    RawClient streaming(s.port());
    streaming.send(get("/stream"));
    streaming.receive_until("first");
    s.server.on_io([&] { s.server.server->stop(); });
    CHECK_FALSE(streaming.receive().complete);
    CHECK(s.stage->gone == 1);
}

}  // namespace weft::http::test
