#include "api/openai/native_answer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "api/json_text.h"
#include "api/openai/answer_parts.h"
#include "base/formatted.h"

namespace weft::api::openai {
namespace {

template <typename Items, typename Append>
void append_list(std::string& out, const Items& items, Append append) {
    out += '[';
    bool first = true;
    for (const auto& item : items) {
        if (!std::exchange(first, false)) out += ',';
        append(item);
    }
    out += ']';
}

void append_native_alternative(std::string& out, const TokenAlternative& token) {
    out += R"("id":)" + std::to_string(token.token) + R"(,"token":)";
    append_json_string(out, token.bytes);
    out += R"(,"bytes":)";
    append_list(out, token.bytes, [&out](char byte) { out += std::to_string(static_cast<unsigned char>(byte)); });
    out += R"(,"logprob":)";
    append_logprob(out, token.logprob);
}

void append_probability(std::string& out, const TokenLogprob& entry) {
    out += '{';
    append_native_alternative(out, entry.chosen);
    out += R"(,"top_logprobs":)";
    append_list(out, entry.top, [&out](const TokenAlternative& token) {
        out += '{';
        append_native_alternative(out, token);
        out += '}';
    });
    out += '}';
}

std::string_view stop_type(const ChoiceFinished& end) {
    if (end.reason == FinishReason::length) return "limit";
    return end.stop_string.empty() ? "eos" : "word";
}

double milliseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

void append_timings(std::string& out, const GenerationDone& done) {
    const auto computed = done.prompt_tokens - std::min(done.cached_tokens, done.prompt_tokens);
    const auto part = [&out](std::string_view name, std::uint32_t n, std::uint64_t ns) {
        const double ms = milliseconds(ns);
        const double per_second = ms > 0 ? n / ms * 1000 : 0;
        out += formatted(R"("{}_n":{},"{}_ms":{:.3f},"{}_per_token_ms":{:.3f},"{}_per_second":{:.3f})", name, n, name, ms, name,
                           n > 0 ? ms / n : 0, name, per_second);
    };
    out += R"({"cache_n":)" + std::to_string(done.cached_tokens) + ',';
    part("prompt", computed, done.timings.prefill_ns);
    out += ',';
    part("predicted", done.completion_tokens, done.timings.decode_ns);
    out += '}';
}

}  // namespace

void NativeAnswer::add(GenerationEvent event, std::string& out) {
    if (auto* piece = std::get_if<TextPiece>(&event)) {
        if (streamed_ && (!piece->text.empty() || !piece->logprobs.empty())) {
            out += "data: ";
            append_fields(out, piece->text, piece->tokens, piece->logprobs, false);
            out += "}\n\n";
        }
        content_ += piece->text;
        if (streamed_) return;
        std::ranges::move(piece->tokens, std::back_inserter(tokens_));
        std::ranges::move(piece->logprobs, std::back_inserter(logprobs_));
    } else if (auto* end = std::get_if<ChoiceFinished>(&event)) {
        end_ = std::move(*end);
    } else if (const auto* done = std::get_if<GenerationDone>(&event)) {
        done_ = *done;
        if (streamed_) out += "data: " + last_object() + "\n\n";
    }
}

void NativeAnswer::append_fields(std::string& out, std::string_view content, const std::vector<Token>& tokens,
                                 const std::vector<TokenLogprob>& logprobs, bool stop) const {
    out += R"({"index":0,"content":)";
    append_json_string(out, content);
    out += R"(,"tokens":)";
    append_list(out, tokens, [&out](Token token) { out += std::to_string(token); });
    out += std::string(R"(,"id_slot":-1,"stop":)") + (stop ? "true" : "false");
    if (logprobs.empty()) return;
    out += R"(,"completion_probabilities":)";
    append_list(out, logprobs, [&out](const TokenLogprob& entry) { append_probability(out, entry); });
}

std::string NativeAnswer::last_object() const {
    std::string out;
    append_fields(out, streamed_ ? std::string_view() : content_, tokens_, logprobs_, true);
    out += R"(,"model":)";
    append_json_string(out, model_);
    out += R"(,"tokens_predicted":)" + std::to_string(done_.completion_tokens) + R"(,"tokens_evaluated":)" +
           std::to_string(done_.prompt_tokens) + R"(,"has_new_line":)" + (content_.contains('\n') ? "true" : "false") +
           R"(,"truncated":)" + (done_.truncated ? "true" : "false") + R"(,"stop_type":")" + std::string(stop_type(end_)) + R"(","stopping_word":)";
    append_json_string(out, end_.stop_string);
    out += R"(,"tokens_cached":)" + std::to_string(done_.prompt_tokens + done_.completion_tokens) + R"(,"timings":)";
    append_timings(out, done_);
    return out + "}";
}

}  // namespace weft::api::openai
