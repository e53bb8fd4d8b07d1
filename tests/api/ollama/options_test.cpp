#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "api/ollama/options.h"

using namespace weft;
using api::ollama::parse_options;

namespace {

// The options inside a request, as errors name their path there.
Result<SamplingOverrides> options(const std::string& text) {
    const auto json = api::parse_json("{\"options\":" + text + "}");
    REQUIRE(json.has_value());
    return parse_options(api::JsonReader(*json)["options"]);
}

SamplingOverrides good(const std::string& text) {
    auto parsed = options(text);
    INFO(text);
    REQUIRE(parsed.has_value());
    return *parsed;
}

}  // namespace

TEST_CASE("every option of a request reaches the service") {
    const auto o = good(R"({"temperature":0.5,"top_k":7,"top_p":0.25,"min_p":0.125,"typical_p":0.75,"seed":42,
        "num_predict":9,"stop":["a","b"],"repeat_penalty":1.5,"repeat_last_n":-1,"presence_penalty":0.5,
        "frequency_penalty":-0.5,"num_keep":3,"num_ctx":4096})");
    CHECK(o.temperature == 0.5F);
    CHECK(o.top_k == 7);
    CHECK(o.top_p == 0.25F);
    CHECK(o.min_p == 0.125F);
    CHECK(o.typical_p == 0.75F);
    CHECK(o.seed == 42);
    CHECK(o.max_tokens == 9);
    CHECK(o.stop == std::vector<std::string>{"a", "b"});
    CHECK(o.repeat_penalty == 1.5F);
    CHECK(o.repeat_last_n == -1);
    CHECK(o.presence_penalty == 0.5F);
    CHECK(o.frequency_penalty == -0.5F);
    CHECK(o.keep_tokens == 3U);
    CHECK(o.context_tokens == 4096U);
}

TEST_CASE("options that say how to load the model are passed on, those that leave it to the server are not") {
    const auto o = good(R"({"num_gpu":0,"num_thread":1,"num_batch":64,"use_mmap":false})");
    CHECK(o.load.gpu_layers == 0);
    CHECK(o.load.threads == 1U);
    CHECK(o.load.batch_tokens == 64U);
    CHECK(o.load.use_mmap == false);
    CHECK_FALSE(good(R"({"num_gpu":-1,"num_thread":0,"num_batch":0,"use_mmap":null})").load.any());
    // Nobody can ask for more threads than there are cores, or for a batch of any size.
    CHECK(good(R"({"num_thread":100000})").load.threads.value() < 100000U);
    CHECK(good(R"({"num_batch":100000000})").load.batch_tokens.value() <= 16384U);
}

TEST_CASE("absent, null, unknown and retired options change nothing") {
    const std::string text = GENERATE("null", "{}", R"({"temperature":null,"stop":null})", R"({"no_such_option":{"a":1}})",
                                      R"({"numa":"x","low_vram":1,"f16_kv":2,"logits_all":3,"vocab_only":4,"use_mlock":5,
            "embedding_only":6,"tfs_z":"a","mirostat":"b","mirostat_tau":[],"mirostat_eta":{},"penalize_newline":0})");
    const auto o = good(text);
    CHECK_FALSE(o.temperature);
    CHECK_FALSE(o.stop);
    CHECK_FALSE(o.max_tokens);
    CHECK_FALSE(o.context_tokens);
}

TEST_CASE("a whole number may be written as a decimal") {
    CHECK(good(R"({"num_ctx":4096.0})").context_tokens == 4096U);
    CHECK(good(R"({"top_k":4e1})").top_k == 40);
}

TEST_CASE("a single stop string is a list of one, and empty ones are left out") {
    CHECK(good(R"({"stop":"END"})").stop == std::vector<std::string>{"END"});
    CHECK(good(R"({"stop":""})").stop == std::vector<std::string>{});
    CHECK(good(R"({"stop":["","x"]})").stop == std::vector<std::string>{"x"});
}

TEST_CASE("only a seed of -1 is random") {
    CHECK(good(R"({"seed":-1})").seed == -1);
    CHECK(good(R"({"seed":-2})").seed == 4294967294);
    CHECK(good(R"({"seed":4294967297})").seed == 1);
}

TEST_CASE("values out of range come to the nearest one that means something") {
    CHECK(good(R"({"temperature":-1})").temperature == 0.0F);
    CHECK(good(R"({"top_p":2})").top_p == 1.0F);
    CHECK(good(R"({"min_p":-2})").min_p == 0.0F);
    CHECK(good(R"({"num_ctx":1})").context_tokens == 4U);
    CHECK(good(R"({"num_ctx":-5})").context_tokens == 4U);
    CHECK_FALSE(good(R"({"num_ctx":0})").context_tokens);
    CHECK(good(R"({"top_k":99999999999})").top_k == INT32_MAX);
    CHECK(good(R"({"num_ctx":18446744073709551615})").context_tokens == 1U << 26U);
    CHECK(good(R"({"num_keep":-1})").keep_tokens == 1U << 26U);
    CHECK(good(R"({"num_predict":-2})").max_tokens == -2);
}

TEST_CASE("an option of the wrong type is named together with the right one") {
    struct Case {
        std::string text, error;
    };
    const auto [text, error] = GENERATE(values<Case>({
        {R"({"num_ctx":"4096"})", "option \"num_ctx\" must be of type integer"},
        {R"({"num_predict":1.5})", "option \"num_predict\" must be of type integer"},
        {R"({"num_gpu":true})", "option \"num_gpu\" must be of type integer"},
        {R"({"num_thread":"2"})", "option \"num_thread\" must be of type integer"},
        {R"({"num_batch":[]})", "option \"num_batch\" must be of type integer"},
        {R"({"use_mmap":1})", "option \"use_mmap\" must be of type boolean"},
        {R"({"temperature":"hot"})", "option \"temperature\" must be of type float32"},
        {R"({"temperature":1e300})", "option \"temperature\" must be of type float32"},
        {R"({"top_p":true})", "option \"top_p\" must be of type float32"},
        {R"({"stop":1})", "option \"stop\" must be of type array"},
        {R"({"stop":["a",2]})", "option \"stop\" must be of an array of strings"},
        {R"({"stop":["a",null]})", "option \"stop\" must be of an array of strings"},
        {R"({"repeat_penalty":0})", "option \"repeat_penalty\" must be above 0"},
        {R"([])", "'options' must be an object, not an array"},
    }));
    const auto parsed = options(text);
    INFO(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == ErrorCode::invalid_request);
    CHECK(parsed.error().message == error);
}

TEST_CASE("stop strings are bounded in number and length") {
    std::string many = "[\"a\"";
    for (std::size_t i = 0; i < max_stop_strings; ++i) many += ",\"a\"";
    CHECK_FALSE(options("{\"stop\":" + many + "]}").has_value());
    CHECK_FALSE(options("{\"stop\":\"" + std::string(max_stop_string_bytes + 1, 'x') + "\"}").has_value());
    CHECK(options("{\"stop\":\"" + std::string(max_stop_string_bytes, 'x') + "\"}").has_value());
}
