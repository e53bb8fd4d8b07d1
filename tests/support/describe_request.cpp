#include <sstream>

#include "support/case_runner.h"

namespace weft::test {
namespace {

template <typename T>
void tell(std::ostream& out, const char* name, const T& value, const T& usual) {
    if (value != usual) out << name << ' ' << value << '\n';
}

void tell_tokens(std::ostream& out, const std::vector<Token>& tokens) {
    for (const Token token : tokens) out << ' ' << token;
    out << '\n';
}

void tell_message(std::ostream& out, const ChatMessage& message) {
    out << message.role;
    if (!message.tool_name.empty()) out << " " << message.tool_name;
    if (!message.tool_call_id.empty()) out << " #" << message.tool_call_id;
    out << ": " << message.content << '\n';
    for (const auto& image : message.images)
        out << "  image at " << image.at << ": " << image.bytes.size() << " bytes, " << image.field << '\n';
    if (!message.thinking.empty()) out << "  thinking: " << message.thinking << '\n';
    for (const auto& call : message.tool_calls)
        out << "  call #" << call.id << " " << call.name << " " << call.arguments_json << '\n';
}

struct PromptTeller {
    std::ostream& out;

    void operator()(const ChatPrompt& prompt) const {
        const ChatPrompt usual;
        for (const auto& message : prompt.messages) tell_message(out, message);
        for (const auto& tool : prompt.tools_json) out << "tool " << tool << '\n';
        if (prompt.tool_choice == ToolChoice::none) out << "tool_choice none\n";
        if (prompt.tool_choice == ToolChoice::required)
            out << "tool_choice required" << (prompt.tool_choice_name.empty() ? "" : " ") << prompt.tool_choice_name << '\n';
        tell(out, "parallel_tool_calls", prompt.parallel_tool_calls, usual.parallel_tool_calls);
        if (prompt.thinking) out << "thinking " << (*prompt.thinking ? "on" : "off") << '\n';
        tell(out, "template variables", prompt.template_variables_json, std::string());
        tell(out, "add_generation_prompt", prompt.add_generation_prompt, usual.add_generation_prompt);
        tell(out, "continue_final_message", prompt.continue_final_message, usual.continue_final_message);
        tell(out, "go template", prompt.go_template, usual.go_template);
        tell(out, "suffix", prompt.suffix, usual.suffix);
        tell(out, "drop_oldest_to_fit", prompt.drop_oldest_to_fit, usual.drop_oldest_to_fit);
    }
    void operator()(const TextPrompt& prompt) const { out << "text: " << prompt.text << '\n'; }
    void operator()(const TokenPrompt& prompt) const {
        out << "tokens:";
        tell_tokens(out, prompt.tokens);
    }
    void operator()(const InfillPrompt& prompt) const {
        out << "prefix: " << prompt.prefix << "\nsuffix: " << prompt.suffix << '\n';
        for (const auto& file : prompt.files) out << "file " << file.name << ": " << file.text << '\n';
    }
};

void tell_sampling(std::ostream& out, const SamplingParams& sampling) {
    const SamplingParams usual;
    tell(out, "temperature", sampling.temperature, usual.temperature);
    tell(out, "top_k", sampling.top_k, usual.top_k);
    tell(out, "top_p", sampling.top_p, usual.top_p);
    tell(out, "min_p", sampling.min_p, usual.min_p);
    tell(out, "typical_p", sampling.typical_p, usual.typical_p);
    tell(out, "repeat_penalty", sampling.repeat_penalty, usual.repeat_penalty);
    tell(out, "repeat_last_n", sampling.repeat_last_n, usual.repeat_last_n);
    tell(out, "presence_penalty", sampling.presence_penalty, usual.presence_penalty);
    tell(out, "frequency_penalty", sampling.frequency_penalty, usual.frequency_penalty);
    if (sampling.seed) out << "seed " << *sampling.seed << '\n';
    for (const auto& bias : sampling.logit_bias) out << "bias " << bias.token << ' ' << bias.bias << '\n';
}

}  // namespace

std::string describe(const GenerateRequest& request) {
    std::ostringstream out;
    const GenerateRequest usual;
    std::visit(PromptTeller{out}, request.prompt);
    if (!request.context_before.empty()) {
        out << "context before";
        tell_tokens(out, request.context_before);
    }
    tell_sampling(out, request.sampling);
    for (const auto& stop : request.stop) out << "stop " << stop << '\n';
    if (request.max_tokens) out << "max_tokens " << *request.max_tokens << '\n';
    tell(out, "choices", request.choices, usual.choices);
    if (request.format == OutputFormat::json) out << "format json\n";
    if (request.format == OutputFormat::json_schema) out << "format schema " << request.format_definition << '\n';
    if (request.format == OutputFormat::gbnf) out << "format grammar " << request.format_definition << '\n';
    if (request.format == OutputFormat::regex) out << "format expression " << request.format_definition << '\n';
    if (request.format_lenient) out << "format lenient\n";
    if (request.thinking_budget) out << "thinking_budget " << *request.thinking_budget << '\n';
    tell(out, "ignore_eos", request.ignore_eos, usual.ignore_eos);
    tell(out, "logprobs", request.logprobs, usual.logprobs);
    tell(out, "top_logprobs", request.top_logprobs, usual.top_logprobs);
    tell(out, "prompt_logprobs", request.prompt_logprobs, usual.prompt_logprobs);
    tell(out, "shift", request.shift, usual.shift);
    tell(out, "keep_tokens", request.keep_tokens, usual.keep_tokens);
    tell(out, "truncate", request.truncate, usual.truncate);
    tell(out, "context_tokens", request.context_tokens, usual.context_tokens);
    tell(out, "want_prompt_tokens", request.want_prompt_tokens, usual.want_prompt_tokens);
    tell(out, "priority", request.priority, usual.priority);
    return std::move(out).str();
}

std::string describe(const EmbedRequest& request) {
    std::ostringstream out;
    const EmbedRequest usual;
    for (const auto& input : request.inputs) {
        if (const auto* text = std::get_if<std::string>(&input)) {
            out << "embed: " << *text << '\n';
        } else {
            out << "embed tokens:";
            tell_tokens(out, std::get<std::vector<Token>>(input));
        }
    }
    tell(out, "truncate", request.truncate, usual.truncate);
    tell(out, "dimensions", request.dimensions, usual.dimensions);
    tell(out, "normalize", request.normalize, usual.normalize);
    if (request.rank_query) out << "for query: " << *request.rank_query << '\n';
    tell(out, "context_tokens", request.context_tokens, usual.context_tokens);
    return std::move(out).str();
}

}  // namespace weft::test
