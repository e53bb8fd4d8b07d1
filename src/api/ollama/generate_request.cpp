#include "api/ollama/generate_request.h"

#include "api/ollama/service_request.h"

namespace weft::api::ollama {
namespace {

Result<std::string> text_in(const JsonReader& body, std::string_view key) {
    WEFT_TRY(auto text, body[key].string());
    return std::move(text).value_or("");
}

Result<std::vector<Token>> context_in(const JsonReader& context) {
    std::vector<Token> tokens;
    WEFT_TRY(const auto values, context.array());
    if (!values) return tokens;
    if (values->size() > max_context_field_tokens)
        return context.invalid("holds more than " + std::to_string(max_context_field_tokens) + " tokens");
    tokens.reserve(values->size());
    for (const auto& value : *values) {
        WEFT_TRY(const auto token, value.integer(0, INT32_MAX));
        if (!token) return value.wrong_type("an integer");
        tokens.push_back(static_cast<Token>(*token));
    }
    return tokens;
}

Result<void> check_raw(const GenerateBody& body) {
    if (!body.raw) return {};
    if (!body.go_template.empty() || !body.system.empty() || !body.context.empty())
        return fail_field(ErrorCode::invalid_request, "raw", "raw mode does not support template, system, or context");
    if (!body.suffix.empty()) return fail_field(ErrorCode::invalid_request, "raw", "raw mode does not support suffix");
    return {};
}

Prompt prompt_of(const GenerateBody& body, const ModelInfo& model) {
    if (body.raw) return TextPrompt{.text = body.prompt};
    const bool own_template = body.go_template.empty();
    if (!body.suffix.empty() && own_template) return InfillPrompt{.prefix = body.prompt, .suffix = body.suffix};
    ChatPrompt prompt{.messages = {}, .go_template = body.go_template, .suffix = body.suffix};
    const std::string& system = body.system.empty() ? model.system : body.system;
    if (!system.empty()) prompt.messages.push_back({.role = "system", .content = system});
    prompt.messages.push_back({.role = "user", .content = body.prompt, .images = body.images});
    set_thinking(prompt, body.fields.think, model);
    return prompt;
}

}  // namespace

Result<GenerateBody> parse_generate(const JsonReader& json) {
    GenerateBody body;
    WEFT_TRY(body.fields, generation_fields_in(json));
    WEFT_TRY(body.prompt, text_in(json, "prompt"));
    WEFT_TRY(body.suffix, text_in(json, "suffix"));
    WEFT_TRY(body.system, text_in(json, "system"));
    WEFT_TRY(const auto raw, json["raw"].boolean());
    body.raw = raw.value_or(false);
    WEFT_TRY(body.context, context_in(json["context"]));
    WEFT_TRY(body.go_template, text_in(json, "template"));
    WEFT_CHECK(check_raw(body));
    ChatMessage message{.role = "user", .content = body.prompt};
    WEFT_CHECK(read_images(json["images"], message));
    if (message.images.empty()) return body;
    if (body.raw) return fail_field(ErrorCode::invalid_request, "raw", "raw mode does not support images");
    if (!body.suffix.empty()) return fail_field(ErrorCode::invalid_request, "suffix", "suffix does not support images");
    body.prompt = std::move(message.content);
    body.images = std::move(message.images);
    return body;
}

Result<Generation> generation_of(const GenerateBody& body, const ModelInfo& model) {
    if (!model.can("completion")) return cannot(body.fields.model, "generate");
    const bool inserts_by_tokens = !body.suffix.empty() && body.go_template.empty();
    if (inserts_by_tokens && !model.can("insert")) return cannot(body.fields.model, "insert");
    if (body.fields.think.wanted() && !model.can("thinking")) return cannot(body.fields.model, "thinking");
    return Generation{.wording = Wording::generate,
                      .fields = body.fields,
                      .prompt = prompt_of(body, model),
                      .context_before = body.context,
                      .answers_context = !body.raw};
}

}  // namespace weft::api::ollama
