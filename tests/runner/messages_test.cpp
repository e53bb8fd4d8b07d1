#include "runner/messages.h"

#include <catch2/catch_test_macros.hpp>
#include <random>

using namespace weft;

namespace {

std::string_view body_of(const std::string& frame) { return std::string_view(frame).substr(frame_header_bytes); }

GenerateMessage full_request() {
    GenerateMessage message{.id = 42, .request = {}};
    message.request.prompt = ChatPrompt{.messages = {{.role = "user", .content = "hi \xF0\x9F\x98\x80"},
                                                     {.role = "assistant", .content = "", .tool_calls = {{"1", "f", "{}"}}}},
                                        .tools_json = {R"({"type":"function"})"},
                                        .thinking = true};
    message.request.sampling.seed = 7;
    message.request.sampling.penalize_prompt = false;
    message.request.sampling.logit_bias = {{3, -100.0F}};
    message.request.stop = {"a", "b"};
    message.request.max_tokens = 0;
    message.request.tenant = "someone";
    return message;
}

}  // namespace

TEST_CASE("a request arrives at the engine as it was sent") {
    const auto frame = encode(ToEngine(full_request()));
    REQUIRE(decode_header(frame));
    CHECK(decode_header(frame)->length == frame.size() - frame_header_bytes);
    const auto message = decode_to_engine(body_of(frame));
    REQUIRE(message);
    const auto& request = std::get<GenerateMessage>(*message).request;
    const auto& chat = std::get<ChatPrompt>(request.prompt);
    CHECK(chat.messages.at(0).content == "hi \xF0\x9F\x98\x80");
    CHECK(chat.messages.at(1).tool_calls.at(0).name == "f");
    CHECK(chat.thinking == true);
    CHECK(request.sampling.seed == 7U);
    CHECK_FALSE(request.sampling.penalize_prompt);
    CHECK(request.sampling.logit_bias.at(0).bias == -100.0F);
    CHECK(request.max_tokens == 0U);
    CHECK(request.tenant == "someone");
}

TEST_CASE("every kind of event keeps its place in the frame of its step") {
    EventFrame frame;
    frame.events.push_back({1, PromptAccepted{.prompt_tokens = 3, .tokens = {1, 2, 3}, .thinking_open = true}});
    frame.events.push_back({2, TextPiece{.choice = 1, .text = "x", .n_tokens = 2}});
    frame.events.push_back({2, ChoiceFinished{.choice = 1, .reason = FinishReason::length}});
    frame.events.push_back({2, GenerationDone{.prompt_tokens = 5, .timings = {.decode_ns = 9}}});
    frame.events.push_back({3, Error{.code = ErrorCode::context_overflow, .message = "m", .context_tokens = 8}});
    const auto decoded = decode_from_engine(body_of(encode(FromEngine(frame))));
    REQUIRE(decoded);
    const auto& events = std::get<EventFrame>(*decoded).events;
    REQUIRE(events.size() == 5);
    CHECK(std::get<PromptAccepted>(events[0].event).thinking_open);
    CHECK(std::get<TextPiece>(events[1].event).n_tokens == 2);
    CHECK(std::get<ChoiceFinished>(events[2].event).reason == FinishReason::length);
    CHECK(std::get<GenerationDone>(events[3].event).timings.decode_ns == 9);
    CHECK(std::get<Error>(events[4].event).code == ErrorCode::context_overflow);
    CHECK(events[4].id == 3);
}

TEST_CASE("messages of the same shape are told apart") {
    const auto to_engine = [](const ToEngine& message) {
        const auto decoded = decode_to_engine(body_of(encode(message)));
        return decoded ? decoded->index() : std::size_t{99};
    };
    CHECK(to_engine(DetokenizeMessage{1, {2, 3}}) == ToEngine(DetokenizeMessage{}).index());
    CHECK(to_engine(PiecesMessage{1, {2, 3}}) == ToEngine(PiecesMessage{}).index());
    const Error error{.code = ErrorCode::invalid_request, .message = "m"};
    const auto from_engine = [&](const FromEngine& message) {
        const auto decoded = decode_from_engine(body_of(encode(message)));
        return decoded ? decoded->index() : std::size_t{99};
    };
    CHECK(from_engine(EmbedReply{1, error}) == FromEngine(EmbedReply{}).index());
    CHECK(from_engine(TokenizeReply{1, error}) == FromEngine(TokenizeReply{}).index());
    CHECK(from_engine(TextReply{1, error}) == FromEngine(TextReply{}).index());
    CHECK(from_engine(PiecesReply{1, error}) == FromEngine(PiecesReply{}).index());
    CHECK(from_engine(CountReply{1, error}) == FromEngine(CountReply{}).index());
    CHECK(from_engine(CountReply{1, 7U}) == FromEngine(CountReply{}).index());
    const auto text = decode_from_engine(body_of(encode(FromEngine(TextReply{1, error}))));
    REQUIRE(text);
    CHECK(std::get<Error>(std::get<TextReply>(*text).result).message == "m");
    const auto pieces = decode_from_engine(body_of(encode(FromEngine(PiecesReply{1, std::vector<std::string>{"a", "\xC3"}}))));
    REQUIRE(pieces);
    CHECK(std::get<std::vector<std::string>>(std::get<PiecesReply>(*pieces).result).at(1) == "\xC3");
}

TEST_CASE("headers of another kind, version or size are refused") {
    auto frame = encode(ToEngine(CancelMessage{1}));
    CHECK_FALSE(decode_header(frame.substr(0, 5)));
    auto other_magic = frame;
    other_magic[0] ^= 1;
    CHECK_FALSE(decode_header(other_magic));
    auto other_version = frame;
    other_version[4] ^= 1;
    CHECK_FALSE(decode_header(other_version));
    auto oversized = frame;
    oversized[11] = '\x7f';
    CHECK_FALSE(decode_header(oversized));
}

TEST_CASE("bodies that are cut short or garbled are an error or another message, never more") {
    const auto frame = encode(ToEngine(full_request()));
    const auto body = std::string(body_of(frame));
    for (std::size_t n = 0; n < body.size(); ++n) CHECK_FALSE(decode_to_engine(std::string_view(body).substr(0, n)));
    std::mt19937 random(3);
    for (int i = 0; i < 2'000; ++i) {
        auto garbled = body;
        for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips)
            garbled[random() % garbled.size()] = static_cast<char>(random());
        (void)decode_to_engine(garbled);
    }
}
