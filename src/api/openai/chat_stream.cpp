#include "api/openai/chat_stream.h"

#include "api/json_text.h"

namespace weft::api::openai {
namespace {

std::string chunk_prefix(const AnswerHead& head) {
    std::string out = R"(data: {"id":)";
    append_json_string(out, head.id);
    out += R"(,"object":"chat.completion.chunk","created":)" + std::to_string(head.created) + R"(,"model":)";
    append_json_string(out, head.model);
    out += R"(,"system_fingerprint":)";
    append_json_string(out, head.fingerprint);
    out += R"(,"choices":[)";
    return out;
}

}  // namespace

ChatStreamWriter::ChatStreamWriter(const AnswerHead& head, ChatAnswerOptions options)
    : options_(std::move(options)),
      prefix_(chunk_prefix(head)),
      usage_null_(options_.include_usage ? std::string_view(R"(,"usage":null)") : std::string_view()) {}

void ChatStreamWriter::add(GenerationEvent event, std::string& out) {
    const auto* accepted = std::get_if<PromptAccepted>(&event);
    if (choices_.empty() && !std::holds_alternative<Error>(event)) begin(accepted ? *accepted : PromptAccepted{}, out);
    if (auto* piece = std::get_if<TextPiece>(&event))
        add_piece(std::move(*piece), out);
    else if (const auto* finished = std::get_if<ChoiceFinished>(&event))
        finish_choice(*finished, out);
    else if (const auto* done = std::get_if<GenerationDone>(&event))
        finish(*done, out);
}

void ChatStreamWriter::begin(const PromptAccepted& accepted, std::string& out) {
    for (std::uint32_t index = 0; index < options_.choices; ++index) {
        choices_.push_back({.parser = ReplyParser(options_.rules, accepted.thinking_open),
                            .before_delta = prefix_ + R"({"index":)" + std::to_string(index) + R"(,"delta":)"});
        out += choices_.back().before_delta;
        out += R"({"role":"assistant","content":""})";
        end_chunk("null", "null", out);
    }
}

void ChatStreamWriter::add_piece(TextPiece piece, std::string& out) {
    if (piece.choice >= choices_.size()) return;
    auto& choice = choices_[piece.choice];
    add_delta(choice, choice.parser.feed(std::move(piece)), out);
}

void ChatStreamWriter::add_delta(Choice& choice, const ReplyDelta& delta, std::string& out) {
    if (!delta.thinking.empty()) {
        out += choice.before_delta;
        out += R"({"reasoning_content":)";
        append_json_string(out, delta.thinking);
        out += R"(,"reasoning":)";
        append_json_string(out, delta.thinking);
        out += '}';
        end_chunk("null", "null", out);
    }
    if (!delta.content.empty() || !delta.logprobs.empty()) {
        out += choice.before_delta;
        out += delta.content.empty() ? "{" : R"({"content":)";
        if (!delta.content.empty()) append_json_string(out, delta.content);
        out += '}';
        logprobs_.clear();
        if (options_.logprobs && !delta.logprobs.empty()) append_chat_logprobs(logprobs_, delta.logprobs);
        end_chunk(logprobs_.empty() ? std::string_view("null") : logprobs_, "null", out);
    }
    for (const auto& call : delta.tool_calls) add_call(choice, call, out);
}

// Who a call is for in a chunk of its own, then its arguments: clients join everything that repeats.
void ChatStreamWriter::add_call(Choice& choice, const ToolCallDelta& call, std::string& out) {
    const auto chunk = [&](const auto& append_function) {
        out += choice.before_delta;
        out += options_.legacy_functions ? R"({"function_call":{)" : R"({"tool_calls":[{"index":)" + std::to_string(call.index);
        append_function();
        out += options_.legacy_functions ? "}}" : "}}]}";
        end_chunk("null", "null", out);
    };
    const std::string_view function = options_.legacy_functions ? "" : R"(,"function":{)";
    if (!call.name.empty()) chunk([&] {
        if (!options_.legacy_functions) {
            out += R"(,"id":)";
            append_json_string(out, call_id(call.id));
            out += R"(,"type":"function")";
        }
        out += function;
        out += R"("name":)";
        append_json_string(out, call.name);
        out += R"(,"arguments":"")";
    });
    if (!call.arguments.empty()) chunk([&] {
        out += function;
        out += R"("arguments":)";
        append_json_string(out, call.arguments);
    });
}

void ChatStreamWriter::finish_choice(const ChoiceFinished& finished, std::string& out) {
    if (finished.choice >= choices_.size()) return;
    auto& choice = choices_[finished.choice];
    add_delta(choice, choice.parser.finish(), out);
    out += choice.before_delta;
    out += "{}";
    end_chunk("null", finish_reason_json(finished.reason, choice.parser, options_.legacy_functions), out);
}

void ChatStreamWriter::finish(const GenerationDone& done, std::string& out) {
    if (options_.include_usage) {
        Usage usage;
        usage.add(done);
        for (const auto& choice : choices_) usage.reasoning_tokens += choice.parser.thinking_tokens();
        out += prefix_;
        out += R"(],"usage":)";
        append_usage(out, usage);
        out += "}\n\n";
    }
    out += "data: [DONE]\n\n";
}

void ChatStreamWriter::end_chunk(std::string_view logprobs, std::string_view finish_reason, std::string& out) {
    out += R"(,"logprobs":)";
    out += logprobs;
    out += R"(,"finish_reason":)";
    out += finish_reason;
    out += "}]";
    out += usage_null_;
    out += "}\n\n";
}

}  // namespace weft::api::openai
