#include "runner/token_stream.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace weft;
namespace asio = boost::asio;

namespace {

struct Seen {
    std::vector<bool> pauses;
    int cancels = 0;
};

TokenStream::Hooks hooks_of(Seen& seen) {
    return {.on_pause = [&seen](bool paused) { seen.pauses.push_back(paused); }, .on_cancel = [&seen] { ++seen.cancels; }};
}

asio::awaitable<void> read_all(TokenStream& stream, int& events) {
    for (;;) {
        const auto event = co_await stream.next();
        ++events;
        if (is_last(event)) break;
    }
}

}  // namespace

TEST_CASE("a reader gets every event, those that were there before it and those that come while it waits") {
    asio::io_context io;
    Seen seen;
    auto [stream, writer] = TokenStream::create(io.get_executor(), hooks_of(seen));
    writer.push(TextPiece{.text = "a"});
    int events = 0;
    asio::co_spawn(io, read_all(stream, events), asio::detached);
    io.poll();
    CHECK(events == 1);
    writer.push(TextPiece{.text = "b"});
    writer.push(GenerationDone{});
    writer.push(TextPiece{.text = "after the end"});
    io.restart();
    io.poll();
    CHECK(events == 3);
    CHECK(seen.cancels == 0);
}

TEST_CASE("a reader that is slow pauses the producer, and lets it go on when it has caught up") {
    asio::io_context io;
    Seen seen;
    auto [stream, writer] = TokenStream::create(io.get_executor(), hooks_of(seen));
    for (std::size_t i = 0; i < TokenStream::high_water + 5; ++i) writer.push(TextPiece{.text = "x"});
    CHECK(seen.pauses == std::vector<bool>{true});
    while (seen.pauses.size() == 1) REQUIRE(stream.try_next());
    CHECK(seen.pauses == std::vector<bool>{true, false});
}

TEST_CASE("a reader that leaves before the end cancels once; after the end it does not") {
    asio::io_context io;
    Seen early, late;
    {
        auto [stream, writer] = TokenStream::create(io.get_executor(), hooks_of(early));
        stream.cancel();
        writer.push(TextPiece{});
        CHECK(writer.reader_gone());
    }
    CHECK(early.cancels == 1);
    {
        auto [stream, writer] = TokenStream::create(io.get_executor(), hooks_of(late));
        writer.push(GenerationDone{});
    }
    CHECK(late.cancels == 0);
}

TEST_CASE("cancelling ends the wait of the reader with an error") {
    asio::io_context io;
    Seen seen;
    auto [stream, writer] = TokenStream::create(io.get_executor(), hooks_of(seen));
    int events = 0;
    asio::co_spawn(io, read_all(stream, events), asio::detached);
    io.poll();
    stream.cancel();
    io.restart();
    io.poll();
    CHECK(events == 1);
}
