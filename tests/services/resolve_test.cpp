#include <catch2/catch_test_macros.hpp>

#include "services/chat/chat_service.h"

using namespace weft;

namespace {

GenerateRequest resolved(const ChatRequest& request, const ModelInfo& model) {
    auto result = resolve(request, model);
    REQUIRE(result.has_value());
    return std::move(*result);
}

ModelInfo model_with(std::vector<std::pair<std::string, std::string>> parameters) {
    return {.name = "m:latest", .parameters_text = std::move(parameters)};
}

ChatRequest chat(std::vector<ChatMessage> messages) {
    ChatRequest request;
    request.generate.prompt = ChatPrompt{.messages = std::move(messages)};
    return request;
}

}  // namespace

TEST_CASE("a value of the request wins over the model's, the model's over the dialect's") {
    ChatRequest request;
    request.generate.sampling.temperature = 0.8F;
    request.generate.sampling.top_k = 40;
    request.generate.sampling.top_p = 0.9F;
    request.overrides.temperature = 0.1F;
    const auto out = resolved(request, model_with({{"temperature", "0.5"}, {"top_k", "7"}}));
    CHECK(out.sampling.temperature == 0.1F);
    CHECK(out.sampling.top_k == 7);
    CHECK(out.sampling.top_p == 0.9F);
}

TEST_CASE("every parameter that a model can configure reaches the runner") {
    const auto out = resolved({}, model_with({{"temperature", "0.5"},
                                              {"top_k", "7"},
                                              {"top_p", "0.25"},
                                              {"min_p", "0.125"},
                                              {"typical_p", "0.75"},
                                              {"repeat_penalty", "1.5"},
                                              {"repeat_last_n", "-1"},
                                              {"presence_penalty", "0.5"},
                                              {"frequency_penalty", "-0.5"},
                                              {"seed", "9"},
                                              {"num_predict", "11"},
                                              {"num_ctx", "2048"},
                                              {"num_keep", "4"},
                                              {"stop", R"(["a","b"])"},
                                              {"num_gpu", "99"}}));
    CHECK(out.sampling.temperature == 0.5F);
    CHECK(out.sampling.top_k == 7);
    CHECK(out.sampling.top_p == 0.25F);
    CHECK(out.sampling.min_p == 0.125F);
    CHECK(out.sampling.typical_p == 0.75F);
    CHECK(out.sampling.repeat_penalty == 1.5F);
    CHECK(out.sampling.repeat_last_n == -1);
    CHECK(out.sampling.presence_penalty == 0.5F);
    CHECK(out.sampling.frequency_penalty == -0.5F);
    CHECK(out.sampling.seed == 9);
    CHECK(out.max_tokens == 11);
    CHECK(out.context_tokens == 2048);
    CHECK(out.keep_tokens == 4);
    CHECK(out.stop == std::vector<std::string>{"a", "b"});
}

TEST_CASE("stop strings of a model come one by one or as a list; the request's replace them") {
    const auto model = model_with({{"stop", R"("x")"}, {"stop", R"("y")"}});
    CHECK(resolved({}, model).stop == std::vector<std::string>{"x", "y"});
    ChatRequest request;
    request.overrides.stop = {"z", ""};
    CHECK(resolved(request, model).stop == std::vector<std::string>{"z"});
    request.overrides.stop = std::vector<std::string>{};
    CHECK(resolved(request, model).stop.empty());
}

TEST_CASE("a configured parameter of the wrong type is the model's fault, not the request's") {
    const auto result = resolve({}, model_with({{"top_k", R"("many")"}}));
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::model_load_failed);
    CHECK(result.error().message.contains("top_k"));
}

TEST_CASE("a seed is taken modulo 2^32 and a negative one is random") {
    ChatRequest request;
    request.overrides.seed = (std::int64_t{1} << 32) + 5;
    CHECK(resolved(request, {}).sampling.seed == 5);
    request.overrides.seed = -1;
    CHECK_FALSE(resolved(request, model_with({{"seed", "7"}})).sampling.seed.has_value());
}

TEST_CASE("a negative token limit lifts the model's, a huge one is cut to what fits") {
    ChatRequest request;
    request.overrides.max_tokens = -1;
    CHECK_FALSE(resolved(request, model_with({{"num_predict", "7"}})).max_tokens.has_value());
    request.overrides.max_tokens = std::int64_t{1} << 40;
    CHECK(resolved(request, {}).max_tokens == UINT32_MAX);
}

TEST_CASE("the model's system message is added when the conversation brings none") {
    ModelInfo model = model_with({});
    model.system = "Be brief.";
    const auto added = resolved(chat({{.role = "user", .content = "Hi"}}), model);
    const auto& messages = std::get<ChatPrompt>(added.prompt).messages;
    REQUIRE(messages.size() == 2);
    CHECK(messages[0].role == "system");
    CHECK(messages[0].content == "Be brief.");

    const auto kept = resolved(chat({{.role = "system", .content = "Mine"}, {.role = "user", .content = "Hi"}}), model);
    CHECK(std::get<ChatPrompt>(kept.prompt).messages.size() == 2);
    ChatRequest raw;
    raw.generate.prompt = TextPrompt{"Hi"};
    CHECK(std::get<TextPrompt>(resolved(raw, model).prompt).text == "Hi");
}
