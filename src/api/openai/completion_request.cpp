#include "api/openai/completion_request.h"

#include "api/openai/output_format.h"

namespace weft::api::openai {
namespace {

using Prompts = std::vector<Prompt>;

Result<Prompt> read_tokens(const JsonReader& list) {
    WEFT_TRY(const auto elements, list.array());
    if (!elements) return list.wrong_type("an array of integers");
    if (elements->empty()) return list.invalid("must not be empty", ErrorReason::empty_array);
    if (elements->size() > max_prompt_tokens) return list.invalid("has too many tokens");
    TokenPrompt prompt;
    prompt.tokens.reserve(elements->size());
    for (const auto& element : *elements) {
        WEFT_TRY(const auto token, element.integer(0, INT32_MAX));
        if (!token) return element.wrong_type("an integer");
        prompt.tokens.push_back(static_cast<Token>(*token));
    }
    return prompt;
}

Result<Prompt> read_text(const JsonReader& value) {
    WEFT_TRY(auto text, value.string());
    if (!text) return value.wrong_type("a string");
    return TextPrompt{std::move(*text)};
}

// string | string[] | int[] | int[][]; absent: whatever the vocabulary begins with.
Result<Prompts> read_prompts(const JsonReader& value) {
    if (value.absent()) return Prompts{TextPrompt{}};
    if (value.is_string()) return Prompts{TextPrompt{value.json().get<std::string>()}};
    if (!value.is_array()) return value.wrong_type("a string or an array");
    WEFT_TRY(const auto elements, value.array());
    if (elements->empty()) return value.invalid("must have at least one prompt", ErrorReason::empty_array);
    if (elements->front().is_number()) {
        WEFT_TRY(auto prompt, read_tokens(value));
        return Prompts{std::move(prompt)};
    }
    if (elements->size() > max_prompts)
        return value.invalid("must have at most " + std::to_string(max_prompts) + " prompts");
    Prompts prompts;
    for (const auto& element : *elements) {
        WEFT_TRY(auto prompt, elements->front().is_string() ? read_text(element) : read_tokens(element));
        prompts.push_back(std::move(prompt));
    }
    return prompts;
}

Result<void> apply_suffix(const JsonReader& value, Prompts& prompts) {
    WEFT_TRY(const auto suffix, value.string());
    if (!suffix) return {};
    for (auto& prompt : prompts) {
        auto* text = std::get_if<TextPrompt>(&prompt);
        if (!text) return value.invalid("cannot be used with prompts that are token ids");
        prompt = InfillPrompt{.prefix = std::move(text->text), .suffix = *suffix};
    }
    return {};
}

// A number of alternatives; `true` means one. llama-server calls it n_probs.
Result<std::optional<std::uint32_t>> read_logprobs(const JsonReader& body) {
    const auto value = body.first_of({"logprobs", "n_probs"});
    if (value.is_boolean()) {
        WEFT_TRY(const auto wanted, value.boolean());
        return *wanted ? std::optional<std::uint32_t>(1) : std::nullopt;
    }
    WEFT_TRY(const auto count, value.integer(0, max_top_logprobs));
    if (!count || (value.path() == "n_probs" && *count == 0)) return std::nullopt;
    return static_cast<std::uint32_t>(*count);
}

Result<void> read_choices(const JsonReader& body, CompletionCall& call) {
    WEFT_TRY(const auto n, body["n"].integer(1, max_choices));
    call.choices = static_cast<std::uint32_t>(n.value_or(1));
    const auto best_of = body["best_of"];
    WEFT_TRY(const auto candidates, best_of.integer(1, max_candidates));
    call.candidates = static_cast<std::uint32_t>(candidates.value_or(call.choices));
    if (call.candidates < call.choices) return best_of.invalid("must be at least 'n'", ErrorReason::below_minimum);
    if (call.candidates > call.choices && call.stream.stream)
        return best_of.invalid("greater than 'n' cannot be used with 'stream'");
    return {};
}

Result<void> check_empty_limit(const JsonReader& body, const CompletionCall& call) {
    if (call.request.overrides.max_tokens != 0 || call.echo) return {};
    return body["max_tokens"].invalid("must be at least 1, or -1 for no limit; 0 is allowed only with 'echo'",
                                      ErrorReason::below_minimum);
}

}  // namespace

Result<CompletionCall> read_completion_call(const JsonReader& body) {
    CompletionCall call;
    WEFT_TRY(call.request.model, read_model(body));
    WEFT_TRY(call.prompts, read_prompts(body["prompt"]));
    WEFT_CHECK(apply_suffix(body["suffix"], call.prompts));
    WEFT_CHECK(read_sampling(body, call.request, 0));
    WEFT_TRY(call.stream, read_stream_fields(body));
    WEFT_CHECK(read_choices(body, call));
    WEFT_TRY(const auto echo, body["echo"].boolean());
    call.echo = echo.value_or(false);
    WEFT_CHECK(check_empty_limit(body, call));
    WEFT_TRY(const auto logprobs, read_logprobs(body));
    WEFT_CHECK(read_output_format(body, call.request.generate));
    WEFT_CHECK(refuse_later_fields(body));

    auto& generate = call.request.generate;
    generate.choices = call.candidates;
    call.logprobs = logprobs.has_value();
    generate.logprobs = call.logprobs || call.candidates > call.choices;
    generate.top_logprobs = logprobs.value_or(0);
    generate.prompt_logprobs = call.echo && call.logprobs;
    return call;
}

}  // namespace weft::api::openai
