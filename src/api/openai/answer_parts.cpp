#include "api/openai/answer_parts.h"

#include <charconv>
#include <cmath>

#include "api/json_text.h"

namespace weft::api::openai {
namespace {

constexpr float impossible_logprob = -9999.0F;

void append_alternative(std::string& out, const TokenAlternative& alternative) {
    out += R"({"token":)";
    append_json_string(out, alternative.bytes);
    out += R"(,"logprob":)";
    append_logprob(out, alternative.logprob);
    out += R"(,"bytes":[)";
    for (std::size_t i = 0; i < alternative.bytes.size(); ++i) {
        if (i > 0) out += ',';
        out += std::to_string(static_cast<unsigned char>(alternative.bytes[i]));
    }
    out += ']';
}

void append_entry(std::string& out, const TokenLogprob& logprob) {
    append_alternative(out, logprob.chosen);
    out += R"(,"top_logprobs":[)";
    for (std::size_t i = 0; i < logprob.top.size(); ++i) {
        if (i > 0) out += ',';
        append_alternative(out, logprob.top[i]);
        out += '}';
    }
    out += "]}";
}

}  // namespace

void Usage::add(const GenerationDone& done) {
    prompt_tokens += done.prompt_tokens;
    completion_tokens += done.completion_tokens;
    cached_tokens += done.cached_tokens;
}

void append_usage(std::string& out, const Usage& usage) {
    out += R"({"prompt_tokens":)" + std::to_string(usage.prompt_tokens);
    out += R"(,"completion_tokens":)" + std::to_string(usage.completion_tokens);
    out += R"(,"total_tokens":)" + std::to_string(std::uint64_t{usage.prompt_tokens} + usage.completion_tokens);
    out += R"(,"prompt_tokens_details":{"cached_tokens":)" + std::to_string(usage.cached_tokens);
    out += R"(,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":)";
    out += std::to_string(usage.reasoning_tokens);
    out += R"(,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}})";
}

std::string_view finish_reason_json(FinishReason reason) {
    switch (reason) {
        case FinishReason::stop:
        case FinishReason::cancelled: return R"("stop")";
        case FinishReason::length: return R"("length")";
    }
    return R"("stop")";
}

std::string_view finish_reason_json(FinishReason reason, const ReplyParser& parser, bool legacy_functions) {
    if (!parser.called() || parser.last_call_is_cut_off()) return finish_reason_json(reason);
    return legacy_functions ? R"("function_call")" : R"("tool_calls")";
}

void append_logprob_entries(std::string& out, const std::vector<TokenLogprob>& logprobs) {
    out += '[';
    for (std::size_t i = 0; i < logprobs.size(); ++i) {
        if (i > 0) out += ',';
        append_entry(out, logprobs[i]);
    }
    out += ']';
}

void append_chat_logprobs(std::string& out, const std::vector<TokenLogprob>& logprobs) {
    out += R"({"content":)";
    append_logprob_entries(out, logprobs);
    out += R"(,"refusal":null})";
}

void append_logprob(std::string& out, float logprob) {
    char digits[32];
    const float finite = std::isfinite(logprob) ? logprob : impossible_logprob;
    const auto end = std::to_chars(digits, digits + sizeof digits, finite).ptr;
    out.append(digits, end);
}

std::string fingerprint_of(const RunnerLease& lease) {
    // FNV-1a: the value has to be stable, not secret.
    std::uint64_t hash = 14695981039346656037ULL;
    const std::string text = lease.model().digest + "/" + std::to_string(lease->description().context_tokens) + "/" +
                             std::to_string(lease->description().weights_bytes);
    for (const unsigned char c : text) hash = (hash ^ c) * 1099511628211ULL;
    std::string out = "fp_";
    for (int digit = 0; digit < 10; ++digit) out += "0123456789abcdef"[(hash >> (4 * digit)) & 15];
    return out;
}

}  // namespace weft::api::openai
