#include "api/openai/response_request.h"

#include <algorithm>

#include "api/openai/chat_request.h"
#include "api/openai/output_format.h"
#include "api/openai/request_fields.h"
#include "api/openai/response_items.h"
#include "api/openai/response_tools.h"

namespace weft::api::openai {
namespace {

Result<void> refuse_background(const JsonReader& body) {
    WEFT_TRY(const auto background, body["background"].boolean());
    if (background.value_or(false)) return not_supported_yet(body["background"], "'background'");
    for (const auto name : {"conversation", "prompt"})
        if (const auto value = body[name]; !value.absent()) return not_supported_yet(value, "'" + value.path() + "'");
    return {};
}

// Instructions are not inherited from the previous response.
Result<void> read_conversation(const JsonReader& body, const Services& services, ResponseCall& call,
                               ChatPrompt& prompt) {
    ItemReader reader(*services.responses);
    WEFT_CHECK(read_previous(body["previous_response_id"], reader, *services.responses));
    WEFT_TRY(call.input, read_input(body["input"], reader, *services.responses, services.new_id));
    prompt.messages = reader.take();
    WEFT_TRY(const auto previous, body["previous_response_id"].string());
    call.previous_id = previous.value_or("");
    WEFT_TRY(auto instructions, body["instructions"].string());
    if (instructions && !instructions->empty())
        prompt.messages.insert(prompt.messages.begin(), {.role = "system", .content = std::move(*instructions)});
    WEFT_TRY(const auto truncation, body["truncation"].string());
    if (truncation && *truncation != "auto" && *truncation != "disabled")
        return body["truncation"].invalid("must be auto or disabled");
    prompt.drop_oldest_to_fit = truncation == "auto";
    return {};
}

Result<void> read_include(const JsonReader& body, ResponseCall& call) {
    auto& generate = call.request.generate;
    WEFT_TRY(const auto top, body["top_logprobs"].integer(0, max_top_logprobs));
    generate.top_logprobs = static_cast<std::uint32_t>(top.value_or(0));
    generate.logprobs = generate.top_logprobs > 0;
    WEFT_TRY(const auto include, body["include"].array());
    for (const auto& element : include.value_or(std::vector<JsonReader>{})) {
        WEFT_TRY(const auto what, element.string());
        if (what == "reasoning.encrypted_content") call.encrypted_reasoning = true;
        if (what == "message.output_text.logprobs") generate.logprobs = true;
    }
    return {};
}

Json json_or(const JsonReader& value, Json otherwise) { return value.absent() ? std::move(otherwise) : value.json(); }

Json echo_of_text(const JsonReader& text) {
    Json format = Json::object_t{};
    format["type"] = "text";
    Json out = Json::object_t{};
    out["format"] = json_or(text["format"], std::move(format));
    out["verbosity"] = json_or(text["verbosity"], "medium");
    return out;
}

Json echo_of_reasoning(const JsonReader& reasoning) {
    Json out = Json::object_t{};
    out["effort"] = json_or(reasoning["effort"], nullptr);
    out["summary"] = json_or(reasoning["summary"], nullptr);
    return out;
}

// What the response repeats, with the defaults of what was left out.
std::string echo_of(const JsonReader& body, const ResponseCall& call) {
    Json out = Json::object_t{};
    for (const auto name : {"instructions", "max_output_tokens", "max_tool_calls", "previous_response_id",
                            "prompt_cache_key", "safety_identifier", "user"})
        out[name] = json_or(body[name], nullptr);
    out["model"] = call.request.model;
    out["parallel_tool_calls"] = std::get<ChatPrompt>(call.request.generate.prompt).parallel_tool_calls;
    out["reasoning"] = echo_of_reasoning(body["reasoning"]);
    out["store"] = call.store;
    out["background"] = false;
    out["temperature"] = json_or(body["temperature"], 1.0);
    out["top_p"] = json_or(body["top_p"], 1.0);
    out["top_logprobs"] = call.request.generate.top_logprobs;
    out["text"] = echo_of_text(body["text"]);
    out["tool_choice"] = json_or(body["tool_choice"], "auto");
    out["tools"] = json_or(body["tools"], Json::array_t{});
    out["truncation"] = json_or(body["truncation"], "disabled");
    out["metadata"] = json_or(body["metadata"], Json::object_t{});
    out["service_tier"] = "default";
    auto text = api::write_json(out);
    text.front() = ',';
    text.pop_back();
    return text;
}

// Values that are only repeated still have to be of the type that a client will expect.
Result<void> check_echoed(const JsonReader& body) {
    for (const auto name : {"prompt_cache_key", "safety_identifier", "user"}) WEFT_CHECK(body[name].string());
    WEFT_CHECK(body["max_tool_calls"].integer(1));
    WEFT_TRY(const auto verbosity, body["text"]["verbosity"].string());
    if (verbosity && *verbosity != "low" && *verbosity != "medium" && *verbosity != "high")
        return body["text"]["verbosity"].invalid("must be one of low, medium, high");
    WEFT_TRY(const auto summary, body["reasoning"]["summary"].string());
    if (summary && *summary != "auto" && *summary != "concise" && *summary != "detailed")
        return body["reasoning"]["summary"].invalid("must be one of auto, concise, detailed");
    return {};
}

}  // namespace

Result<ResponseCall> read_response_call(const JsonReader& body, const Services& services) {
    ResponseCall call;
    auto& request = call.request;
    WEFT_TRY(request.model, read_model(body));
    WEFT_CHECK(refuse_background(body));
    ChatPrompt prompt;
    WEFT_CHECK(read_conversation(body, services, call, prompt));
    WEFT_CHECK(read_template_fields(body, prompt));
    WEFT_TRY(call.custom_tools, read_response_tools(body, prompt));
    request.generate.prompt = std::move(prompt);
    WEFT_TRY(request.generate.thinking_budget, read_thinking_budget(body));
    WEFT_CHECK(read_sampling(body, request));
    WEFT_TRY(const auto limit, body["max_output_tokens"].integer(1));
    if (limit) request.overrides.max_tokens = *limit;
    WEFT_CHECK(body["text"].object());
    WEFT_CHECK(read_output_format(body, request.generate));
    WEFT_CHECK(read_include(body, call));
    WEFT_TRY(const auto stream, body["stream"].boolean());
    call.stream = stream.value_or(false);
    WEFT_TRY(const auto store, body["store"].boolean());
    call.store = store.value_or(true);
    WEFT_CHECK(check_echoed(body));
    WEFT_CHECK(check_accepted(body));
    WEFT_CHECK(refuse_later_samplers(body));
    call.echo = echo_of(body, call);
    return call;
}

}  // namespace weft::api::openai
