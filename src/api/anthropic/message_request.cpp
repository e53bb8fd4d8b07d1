#include "api/anthropic/message_request.h"

#include "api/anthropic/content_blocks.h"
#include "api/anthropic/thinking.h"
#include "api/anthropic/tools.h"
#include "api/request_fields.h"

namespace weft::api::anthropic {
namespace {

// `output_config.format`, or `output_format` as it was called before; `grammar` is llama-server's.
Result<void> read_format(const JsonReader& body, GenerateRequest& generate) {
    const auto config = body["output_config"];
    if (!config.absent() && !config.is_object()) return config.wrong_type("an object");
    const auto format = config["format"].absent() ? body["output_format"] : config["format"];
    if (!format.absent()) {
        if (!format.is_object()) return format.wrong_type("an object");
        WEFT_TRY(const auto type, format["type"].string());
        if (!type) return format["type"].missing();
        if (*type != "json_schema") return format["type"].invalid("must be json_schema");
        const auto schema = format["schema"];
        if (!schema.is_object()) return schema.absent() ? schema.missing() : schema.wrong_type("an object");
        generate.format = OutputFormat::json_schema;
        generate.format_definition = api::write_json(schema.json());
        generate.format_field = schema.path();
        generate.format_field = schema.path();
    }
    WEFT_TRY(auto grammar, body["grammar"].string());
    if (!grammar || grammar->empty()) return {};
    if (!format.absent()) return body["grammar"].invalid("cannot be combined with '" + format.path() + "'");
    generate.format = OutputFormat::gbnf;
    generate.format_field = "grammar";
    generate.format_definition = std::move(*grammar);
    generate.format_field = "grammar";
    return {};
}

Result<void> read_limit(const JsonReader& value, ChatRequest& request) {
    WEFT_TRY(const auto limit, value.integer(0));
    if (!limit) return value.missing();
    request.overrides.max_tokens = *limit;
    return {};
}

}  // namespace

Result<MessageCall> read_count_call(const JsonReader& body) {
    MessageCall call;
    WEFT_TRY(call.request.model, read_model(body));
    ChatPrompt prompt;
    WEFT_TRY(prompt.messages, read_conversation(body));
    WEFT_CHECK(read_tools_and_choice(body, prompt));
    call.request.generate.prompt = std::move(prompt);
    WEFT_TRY(call.show_thinking, read_thinking(body, call.request.generate));
    return call;
}

Result<MessageCall> read_message_call(const JsonReader& body) {
    WEFT_TRY(auto call, read_count_call(body));
    WEFT_CHECK(read_limit(body["max_tokens"], call.request));
    WEFT_CHECK(read_samplers(body, call.request));
    WEFT_CHECK(read_stop(call.request.overrides.stop, body["stop_sequences"]));
    WEFT_CHECK(read_format(body, call.request.generate));
    WEFT_TRY(const auto stream, body["stream"].boolean());
    call.stream = stream.value_or(false);
    return call;
}

}  // namespace weft::api::anthropic
