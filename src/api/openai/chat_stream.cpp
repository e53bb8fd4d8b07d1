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

ReplyParser::Mode ThinkingRule::mode(bool thinking_open) const {
    if (!separate) return ReplyParser::Mode::plain;
    if (thinking_open) return ReplyParser::Mode::inside_thinking;
    return model_thinks ? ReplyParser::Mode::may_think : ReplyParser::Mode::plain;
}

ChatStreamWriter::ChatStreamWriter(const AnswerHead& head, Options options)
    : options_(options),
      prefix_(chunk_prefix(head)),
      usage_null_(options.include_usage ? std::string_view(R"(,"usage":null)") : std::string_view()) {}

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
    const auto mode = options_.thinking.mode(accepted.thinking_open);
    for (std::uint32_t index = 0; index < options_.choices; ++index) {
        choices_.push_back({.parser = ReplyParser(mode),
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
    if (delta.content.empty() && delta.logprobs.empty()) return;
    out += choice.before_delta;
    out += delta.content.empty() ? "{" : R"({"content":)";
    if (!delta.content.empty()) append_json_string(out, delta.content);
    out += '}';
    logprobs_.clear();
    if (options_.logprobs && !delta.logprobs.empty()) append_chat_logprobs(logprobs_, delta.logprobs);
    end_chunk(logprobs_.empty() ? std::string_view("null") : logprobs_, "null", out);
}

void ChatStreamWriter::finish_choice(const ChoiceFinished& finished, std::string& out) {
    if (finished.choice >= choices_.size()) return;
    auto& choice = choices_[finished.choice];
    add_delta(choice, choice.parser.finish(), out);
    out += choice.before_delta;
    out += "{}";
    end_chunk("null", finish_reason_json(finished.reason), out);
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
