#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/registry.h"
#include "runner/generation.h"
#include "services/chat/reply_parser.h"

// Pieces of JSON text that several answers of this dialect are made of.
namespace weft::api::openai {

// What is the same in every chunk of one stream, and in the answer that is not streamed.
struct AnswerHead {
    std::string id;
    std::int64_t created = 0;
    std::string model;  // as the client wrote it
    std::string fingerprint;
};

struct Usage {
    std::uint32_t prompt_tokens = 0;
    std::uint32_t completion_tokens = 0;
    std::uint32_t cached_tokens = 0;
    std::uint32_t reasoning_tokens = 0;

    void add(const GenerationDone& done);
};

// {"prompt_tokens":...}
void append_usage(std::string& out, const Usage& usage);

// "stop" or "length", quotes included.
[[nodiscard]] std::string_view finish_reason_json(FinishReason reason);
// The same for a chat answer, which has ended: one that calls a tool ends for that reason, unless the call is cut off.
[[nodiscard]] std::string_view finish_reason_json(FinishReason reason, const ReplyParser& parser, bool legacy_functions);

// A tool call's id in this dialect.
[[nodiscard]] inline std::string call_id(std::string_view id) { return "call_" + std::string(id); }

// [{"token":...}]: an entry per token.
void append_logprob_entries(std::string& out, const std::vector<TokenLogprob>& logprobs);

// A chat choice's {"content":[...],"refusal":null}. Every entry has its `top` list, empty when none was asked for.
void append_chat_logprobs(std::string& out, const std::vector<TokenLogprob>& logprobs);

// A natural logarithm as a JSON number; JSON has no infinity.
void append_logprob(std::string& out, float logprob);

// "fp_" and ten hex digits that change with the weights, their file and the window.
[[nodiscard]] std::string fingerprint_of(const RunnerLease& lease);

}  // namespace weft::api::openai
