#include "services/chat/reply_parser.h"

#include <catch2/catch_test_macros.hpp>

using namespace weft;
using Mode = ReplyParser::Mode;

namespace {

struct Parts {
    std::string thinking;
    std::string content;
    bool operator==(const Parts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Parts& p) {
    return out << "[" << p.thinking << "|" << p.content << "]";
}

Parts parse(Mode mode, const std::vector<std::string>& pieces) {
    ReplyParser parser(mode);
    Parts all;
    const auto take = [&all](const ReplyDelta& delta) {
        all.thinking += delta.thinking;
        all.content += delta.content;
    };
    for (const auto& text : pieces) take(parser.feed({.text = text, .n_tokens = 1}));
    take(parser.finish());
    return all;
}

// Whole, byte by byte, and cut in two at every byte.
void promise(Mode mode, const std::string& text, const Parts& expected) {
    INFO(text);
    CHECK(parse(mode, {text}) == expected);
    std::vector<std::string> bytes;
    for (const char c : text) bytes.emplace_back(1, c);
    CHECK(parse(mode, bytes) == expected);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        INFO(cut);
        CHECK(parse(mode, {text.substr(0, cut), text.substr(cut)}) == expected);
    }
}

TokenLogprob logprob(std::string bytes) { return {.chosen = {.bytes = std::move(bytes)}}; }

std::string tokens_of(const ReplyDelta& delta) {
    std::string text;
    for (const auto& entry : delta.logprobs) text += entry.chosen.bytes + "|";
    return text;
}

}  // namespace

TEST_CASE("a reply without a thinking block is all content") {
    promise(Mode::may_think, "Hello", {"", "Hello"});
    promise(Mode::may_think, "", {"", ""});
    promise(Mode::may_think, "  \n Hello ", {"", "  \n Hello "});
    promise(Mode::may_think, "<thin", {"", "<thin"});
    promise(Mode::may_think, "\n <thinking>x</thinking>", {"", "\n <thinking>x</thinking>"});
    promise(Mode::may_think, "<", {"", "<"});
    promise(Mode::may_think, " \n", {"", " \n"});
}

TEST_CASE("a thinking block at the start is told apart, tags and white space next to them belong to nobody") {
    promise(Mode::may_think, "<think>a b</think>c d", {"a b", "c d"});
    promise(Mode::may_think, "\n<think>\na\n\nb\n</think>\n\nc\n", {"a\n\nb", "c\n"});
    promise(Mode::may_think, "<think>\n\n</think>\n\nc", {"", "c"});
    promise(Mode::may_think, "<think></think>", {"", ""});
    promise(Mode::may_think, "<think>a</think>", {"a", ""});
    promise(Mode::may_think, "<think>a</think>\n ", {"a", ""});
}

TEST_CASE("a block that never ends is all thinking") {
    promise(Mode::may_think, "<think>a b", {"a b", ""});
    promise(Mode::may_think, "<think>a </thi", {"a </thi", ""});
    promise(Mode::may_think, "<think>a \n", {"a", ""});
}

TEST_CASE("what only looks like a tag is text") {
    promise(Mode::may_think, "<think>a < b </ think> </thin </think>c", {"a < b </ think> </thin", "c"});
    promise(Mode::may_think, "<think><think>a</think>b", {"<think>a", "b"});
    promise(Mode::may_think, "<think>a<</think>b", {"a<", "b"});
    promise(Mode::may_think, "<think>a</</think>b", {"a</", "b"});
}

TEST_CASE("a tag after the start of the content is content") {
    promise(Mode::may_think, "x <think>a</think>", {"", "x <think>a</think>"});
    promise(Mode::may_think, "<think>a</think>b<think>c</think>", {"a", "b<think>c</think>"});
    promise(Mode::may_think, "<think>a</think></think>b", {"a", "</think>b"});
}

TEST_CASE("a prompt that has opened the block already needs no opening tag") {
    promise(Mode::inside_thinking, "a\n</think>\n\nb", {"a", "b"});
    promise(Mode::inside_thinking, "\n a</think>b", {"a", "b"});
    promise(Mode::inside_thinking, "a", {"a", ""});
    promise(Mode::inside_thinking, "</think>b", {"", "b"});
}

TEST_CASE("plain mode leaves everything as it is") {
    promise(Mode::plain, " <think>a</think> b", {"", " <think>a</think> b"});
}

TEST_CASE("characters of several bytes survive next to tags") {
    promise(Mode::may_think, "<think>é漢😀</think>ß", {"é漢😀", "ß"});
}

TEST_CASE("text is passed on as soon as it cannot be part of a tag") {
    ReplyParser parser(Mode::may_think);
    CHECK(parser.feed({.text = "<th"}).empty());
    CHECK(parser.feed({.text = "ink>"}).empty());
    CHECK(parser.feed({.text = "a b"}).thinking == "a b");
    CHECK(parser.feed({.text = " "}).empty());  // may be the white space before the tag
    CHECK(parser.feed({.text = "c</"}).thinking == " c");
    CHECK(parser.feed({.text = "think>\n"}).empty());
    CHECK(parser.feed({.text = "d"}).content == "d");
    CHECK(parser.feed({.text = " <think>"}).content == " <think>");
}

TEST_CASE("tokens of the block are counted with its tags") {
    ReplyParser parser(Mode::may_think);
    for (const auto* text : {"<think>", "\n", "a", " b", "\n", "</think>", "\n\n", "c", " d"})
        (void)parser.feed({.text = text, .n_tokens = 1});
    (void)parser.finish();
    CHECK(parser.thinking_tokens() == 7);

    ReplyParser plain(Mode::may_think);
    for (const auto* text : {" ", "a", " b"}) (void)plain.feed({.text = text, .n_tokens = 1});
    (void)plain.finish();
    CHECK(plain.thinking_tokens() == 0);
}

TEST_CASE("only the content has log probabilities") {
    ReplyParser parser(Mode::may_think);
    const auto feed = [&parser](const std::string& text) {
        return tokens_of(parser.feed({.text = text, .n_tokens = 1, .logprobs = {logprob(text)}}));
    };
    CHECK(feed("<think>").empty());
    CHECK(feed("a").empty());
    CHECK(feed("</think>").empty());
    CHECK(feed("\n\n").empty());
    CHECK(feed("b") == "b|");
    CHECK(feed(" c") == " c|");
}

TEST_CASE("log probabilities of held back text come with it") {
    ReplyParser parser(Mode::may_think);
    CHECK(tokens_of(parser.feed({.text = "<", .logprobs = {logprob("<")}})).empty());
    CHECK(tokens_of(parser.feed({.text = "b>", .logprobs = {logprob("b>")}})) == "<|b>|");
}

TEST_CASE("a piece of several tokens that ends the block gives its content tokens only") {
    ReplyParser parser(Mode::inside_thinking);
    const auto delta =
        parser.feed({.text = "a</think>\n\nb c",
                     .n_tokens = 5,
                     .logprobs = {logprob("a"), logprob("</think>"), logprob("\n\n"), logprob("b"), logprob(" c")}});
    CHECK(delta.thinking == "a");
    CHECK(delta.content == "b c");
    CHECK(tokens_of(delta) == "b| c|");
    CHECK(parser.thinking_tokens() == 5);
}
