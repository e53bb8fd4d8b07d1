#include <catch2/catch_test_macros.hpp>

#include <map>
#include <ranges>

#include "harness.h"

using namespace weft;
using namespace weft::test;

namespace {

// An image whose rows are named after `content`.
std::shared_ptr<const ImageRun> image(Token content, std::int32_t rows, bool causal = true) {
    auto run = std::make_shared<ImageRun>();
    for (std::int32_t i = 0; i < rows; ++i) run->names.push_back(-1000 * content - i - 1);
    run->positions = rows;
    run->causal = causal;
    return run;
}

struct Part {
    std::string text;
    std::shared_ptr<const ImageRun> image{};
};

struct Images : Harness {
    using Harness::Harness;
    std::vector<Token> last_prompt;

    std::uint64_t look(const std::vector<Part>& parts, std::uint32_t n = 4) {
        PreparedRequest prepared{.id = 1000 + next_++, .request = {.prompt = TokenPrompt{}, .sampling = {.temperature = 0}, .max_tokens = n},
                                 .window = shape.window, .accepted_at = clock.time};
        for (const auto& part : parts) {
            const auto text = tokens_of(part.text);
            prepared.prompt.insert(prepared.prompt.end(), text.begin(), text.end());
            if (!part.image) continue;
            const auto begin = static_cast<std::int32_t>(prepared.prompt.size());
            prepared.images.push_back({.begin = begin, .position = begin, .run = part.image});
            prepared.prompt.insert(prepared.prompt.end(), part.image->names.begin(), part.image->names.end());
        }
        last_prompt = prepared.prompt;
        (void)gate.try_enter("");
        (void)gate.try_add_tokens("", prepared.prompt.size());
        inbox.push(std::make_shared<PreparedRequest>(prepared));
        return prepared.id;
    }

    // What the fake model says to the last prompt, computed alone.
    [[nodiscard]] std::string alone(std::size_t n = 4) const {
        auto tokens = last_prompt;
        std::string text;
        for (std::size_t i = 0; i < n; ++i) {
            tokens.push_back(engine.next(tokens));
            text += vocabulary.bytes_of(tokens.back());
        }
        return text;
    }
    std::string said(std::uint64_t id) { return seen[id].text[0]; }

    // Words and rows of images never share a call; an image that is computed at once has one to itself.
    void check_calls() const {
        for (const auto& rows : engine.calls) {
            const auto images = std::ranges::count_if(rows, [](const BatchRow& row) { return is_image(row.token); });
            CHECK((images == 0 || static_cast<std::size_t>(images) == rows.size()));
        }
    }

  private:
    std::uint64_t next_ = 0;
};

}  // namespace

TEST_CASE("an answer depends on the image, wherever it stands") {
    for (const bool causal : {true, false}) {
        Images h;
        for (const std::int32_t rows : {1, 7, 32}) {
            for (const auto& parts : {std::vector<Part>{{"before", image(1, rows, causal)}, {"after"}},
                                      std::vector<Part>{{"", image(2, rows, causal)}, {"after"}},
                                      std::vector<Part>{{"two", image(1, rows, causal)}, {"", image(3, rows, causal)}, {"x"}},
                                      std::vector<Part>{{"ends with it", image(4, rows, causal)}}}) {
                const auto id = h.look(parts);
                const auto expected = h.alone();
                h.run();
                CHECK(h.said(id) == expected);
                CHECK(h.seen[id].done->prompt_tokens == h.last_prompt.size());
            }
        }
        h.check_calls();
    }
}

TEST_CASE("an image that is longer than a batch is computed in parts") {
    Images h({.kv_cells = 512, .max_batch_rows = 16, .window = 256});
    const auto id = h.look({{"see", image(1, 100)}, {"?"}});
    const auto expected = h.alone();
    h.run();
    CHECK(h.said(id) == expected);
    h.check_calls();
}

TEST_CASE("the same image before the same words is shared, another one is not") {
    Images h;
    const auto cached = [&](Token content, const std::string& question) {
        const auto id = h.look({{"look: ", image(content, 20)}, {question}});
        const auto expected = h.alone();
        h.run();
        CHECK(h.said(id) == expected);
        return h.seen[id].done->cached_tokens;
    };
    CHECK(cached(1, "what is it?") == 0);
    CHECK(cached(1, "what colour has it?") == 6 + 20 + 5);
    CHECK(cached(2, "what is it?") == 6);
}

TEST_CASE("a prefix holds an image whole or not at all") {
    Images h;
    auto one = std::make_shared<ImageRun>(*image(1, 20));
    auto other = std::make_shared<ImageRun>(*one);
    other->names[15] = -77;  // as if the first rows were the same
    h.look({{"look: ", one}, {"?"}});
    h.run();
    const auto id = h.look({{"look: ", other}, {"?"}});
    const auto expected = h.alone();
    h.run();
    CHECK(h.said(id) == expected);
    CHECK(h.seen[id].done->cached_tokens == 6);
}

TEST_CASE("words of others go on while images are computed") {
    Images h({.kv_cells = 1024, .max_sequences = 32, .max_batch_rows = 16, .window = 512, .slots = 16});
    const auto talker = h.arrive("talk", {.prompt = TokenPrompt{}, .max_tokens = 60});
    h.step(3);
    std::vector<std::uint64_t> lookers;
    std::vector<std::string> expected;
    for (int i = 0; i < 4; ++i) {
        lookers.push_back(h.look({{"see", image(i + 1, 90)}, {"?"}}));
        expected.push_back(h.alone());
    }
    const auto before = h.seen[talker].tokens;
    h.step(20);
    CHECK(h.seen[talker].tokens >= before + 8);
    h.run();
    for (std::size_t i = 0; i < lookers.size(); ++i) CHECK(h.said(lookers[i]) == expected[i]);
    CHECK(h.said(talker) == h.expected("talk", 60));
    h.check_calls();
}

TEST_CASE("images of two requests are computed in turns, whatever goes on beside them") {
    for (const int steps_before : {3, 4}) {
        Images h({.kv_cells = 1024, .max_sequences = 32, .max_batch_rows = 16, .window = 512, .slots = 16});
        const auto talker = h.arrive("talk", {.prompt = TokenPrompt{}, .max_tokens = 200});
        h.step(steps_before);
        h.look({{"see", image(1, 90)}, {"?"}});
        h.look({{"see", image(2, 90)}, {"?"}});
        std::map<SequenceId, int> rows;
        while (rows.size() < 2 || std::ranges::none_of(rows, [](const auto& of) { return of.second >= 64; })) {
            const auto calls = h.engine.calls.size();
            h.step(1);
            for (std::size_t i = calls; i < h.engine.calls.size(); ++i)
                for (const auto& row : h.engine.calls[i]) rows[row.sequence] += is_image(row.token) ? 1 : 0;
            std::erase_if(rows, [](const auto& of) { return of.second == 0; });
            REQUIRE(!h.seen[talker].done.has_value());
        }
        const auto [fewest, most] = std::ranges::minmax(rows | std::views::values);
        CHECK(most - fewest <= 16);
    }
}

TEST_CASE("a sequence with images is parked and goes on, and one that is cancelled in the middle of one leaves its cells") {
    Images h({.kv_cells = 160, .max_sequences = 16, .max_batch_rows = 8, .window = 128});
    std::vector<std::pair<std::uint64_t, std::string>> all;
    for (int i = 0; i < 5; ++i) {
        const auto id = h.look({{"see", image(i + 1, 40)}, {"?"}}, 20);
        all.emplace_back(id, h.alone(20));
    }
    h.step(3);
    h.cancel(all.front().first);
    h.run(2000);
    for (std::size_t i = 1; i < all.size(); ++i) CHECK(h.said(all[i].first) == all[i].second);
    CHECK(h.seen[all.front().first].error->code == ErrorCode::cancelled);
    h.check_calls();
}

TEST_CASE("cells behind an image are not copied out of the pool") {
    Images h({.kv_cells = 512, .max_batch_rows = 64, .window = 400, .host_bytes = 1 << 20});
    const std::string words(100, 'w');
    h.look({{words, image(1, 100)}, {words}});
    h.run();
    for (int i = 0; i < 3; ++i) {
        h.arrive(std::string(300, static_cast<char>('a' + i)), {.prompt = TokenPrompt{}, .max_tokens = 2});
        h.run();
    }
    const auto id = h.look({{words, image(2, 100)}, {words}});
    const auto expected = h.alone();
    h.run();
    CHECK(h.said(id) == expected);
    CHECK(h.seen[id].done->cached_tokens == 100);  // the words in front of the image
}

TEST_CASE("with memory of whole states, what stands in front of the first image is gone on from") {
    Images h({.kv_cells = 4096, .max_sequences = 8, .max_batch_rows = 128, .window = 512, .memory = MemoryKind::states, .host_bytes = 1 << 20});
    const std::string words(150, 'w');
    const auto cached = [&](Token content, const std::string& question) {
        const auto id = h.look({{words, image(content, 80)}, {question}}, 20);
        const auto expected = h.alone(20);
        h.run();
        CHECK(h.said(id) == expected);
        return h.seen[id].done->cached_tokens;
    };
    CHECK(cached(1, "what is it?") == 0);
    CHECK(cached(2, "what is it?") == 150);
    CHECK(cached(1, "what is it?") == 150);
    CHECK(cached(1, "and " + words) == 150);
    std::vector<std::pair<std::uint64_t, std::string>> together;
    for (int i = 0; i < 4; ++i) {
        const auto id = h.look({{std::string(200, 'z'), image(9, 80)}, {std::string(static_cast<std::size_t>(70 + i), 'q')}}, 20);
        together.emplace_back(id, h.alone(20));
    }
    h.run();
    for (const auto& [id, expected] : together) CHECK(h.said(id) == expected);
    h.look({{"", image(3, 100)}, {words}});
    const auto expected = h.alone();
    h.run();
    CHECK(h.seen.rbegin()->second.text[0] == expected);
    h.check_calls();
}

TEST_CASE("behind an image words are guessed from the text before, but not by a draft model, which sees none") {
    Images h({.kv_cells = 2048, .max_batch_rows = 64, .max_outputs = 64, .window = 512, .guesses = true, .draft_cells = 1024});
    h.engine.next = [](const std::vector<Token>& tokens) { return static_cast<Token>('a' + tokens.size() % 5); };
    const auto id = h.look({{"abcdeabcde", image(1, 20)}, {"what is it?"}}, 60);
    const auto expected = h.alone(60);
    h.run();
    CHECK(h.said(id) == expected);
    CHECK(h.scheduler.snapshot().metrics.accepted_tokens > 20);
    CHECK(h.draft_engine.calls.empty());
    const auto talker = h.arrive("xyz", {.prompt = TokenPrompt{}, .max_tokens = 40});
    const auto looker = h.look({{"see", image(2, 90)}, {"?"}}, 60);
    const auto seen = h.alone(60);
    h.run();
    CHECK(h.said(talker) == h.expected("xyz", 40));
    CHECK(h.said(looker) == seen);
    CHECK(!h.draft_engine.calls.empty());
}

TEST_CASE("positions behind an image of two dimensions go on from its longer side") {
    auto run = std::make_shared<ImageRun>(*image(1, 12));
    run->positions = 4;
    const std::vector<ImageSpan> images{{.begin = 3, .position = 3, .run = run}, {.begin = 20, .position = 12, .run = run}};
    CHECK(position_of(2, images) == 2);
    CHECK(position_of(15, images) == 7);
    CHECK(position_of(20, images) == 12);
    CHECK(position_of(32, images) == 16);
}
