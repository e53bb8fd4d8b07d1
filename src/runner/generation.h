#pragma once

// What is asked of a model and what comes back, in words that no protocol owns. These are plain structs: the same ones
// travel over the socketpair between gateway and engine process (see messages.h), so every field is a value, and JSON
// that a template will read travels as text.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace weft {

using Token = std::int32_t;

// Chosen by the gateway, unique for the life of one engine process.
enum class RequestId : std::uint64_t {};

struct ToolCall {
    std::string id;
    std::string name;
    std::string arguments_json;  // an object, as JSON text; key order is the client's
};

// A picture or a recording in a message, as its file is. Gateways check its kind and size (see api::read_image(),
// api::read_audio()); it is decoded in the engine process only.
struct ChatImage {
    std::size_t at = 0;   // where it stands in the message's content: before this byte
    std::string bytes{};  // PNG, JPEG, WebP, GIF or BMP
    std::string field{};  // where the client wrote it, for errors
    bool sound = false;   // a recording: WAV or MP3
};

struct ChatMessage {
    std::string role;     // lower case: system, user, assistant, tool
    std::string content;  // UTF-8; several text parts are joined with '\n'
    std::string thinking{};
    std::vector<ToolCall> tool_calls{};
    std::string tool_name{};     // role tool: the function that answered
    std::string tool_call_id{};  // role tool: the call it answers
    std::vector<ChatImage> images{};  // in the order of their places
};

enum class ToolChoice : std::uint8_t {
    automatic,  // text, calls or both
    none,       // no calls: the template does not see the tools
    required,   // at least one call; of tool_choice_name if that is set
};

// A conversation, rendered by the model's own prompt template in the engine process.
struct ChatPrompt {
    std::vector<ChatMessage> messages;
    std::vector<std::string> tools_json{};        // each an OpenAI-style tool object, as JSON text
    ToolChoice tool_choice = ToolChoice::automatic;
    std::string tool_choice_name{};               // with required: the one function that must be called
    bool parallel_tool_calls = true;              // false: at most one call
    std::optional<bool> thinking{};               // enable_thinking for the template; absent: not passed
    std::string template_variables_json{};        // an object with further template variables; empty: none
    bool add_generation_prompt = true;
    bool continue_final_message = true;           // a trailing assistant message is a prefill, not a finished turn
    std::string go_template{};                    // renders instead of the model's own template, as Ollama's do; empty: none
    std::string suffix{};                         // with go_template: what follows the gap that the answer fills
    bool drop_oldest_to_fit = false;              // drop oldest non-system messages until the prompt fits the window
};

// Text that is tokenized as it is. Special tokens in it are recognised; BOS is added once if the vocabulary wants it.
struct TextPrompt {
    std::string text;
};

struct TokenPrompt {
    std::vector<Token> tokens;  // checked against the vocabulary by the engine
};

// Another file that the text in the middle may be about.
struct InfillFile {
    std::string name;
    std::string text;
};

// Fill-in-the-middle with the vocabulary's own FIM tokens; ErrorCode::unsupported without them. A prompt that is too
// long and may be cut loses text far from the gap.
struct InfillPrompt {
    std::string prefix;
    std::string suffix;
    std::vector<InfillFile> files{};
};

using Prompt = std::variant<ChatPrompt, TextPrompt, TokenPrompt, InfillPrompt>;

struct LogitBias {
    Token token;
    float bias;  // added to the logit; <= -100 bans, >= 100 forces
};

// How the next token is chosen. The order is fixed: logit_bias, penalties, top_k, typical_p, top_p, min_p, temperature.
// The defaults change nothing but temperature: plain sampling from the model's own distribution.
struct SamplingParams {
    float temperature = 1.0F;        // 0 = greedy; otherwise > 0
    std::int32_t top_k = 0;          // <= 0 = off
    float top_p = 1.0F;              // 1 = off; 0 = best token only
    float min_p = 0.0F;              // 0 = off
    float typical_p = 1.0F;          // 1 = off
    float repeat_penalty = 1.0F;     // 1 = off; > 0
    std::int32_t repeat_last_n = 64; // window of the three penalties in tokens; 0 = off, -1 = the whole context
    float presence_penalty = 0.0F;   // subtracted once from every token seen in the window
    float frequency_penalty = 0.0F;  // subtracted once per occurrence in the window
    bool penalize_prompt = true;     // false: presence and frequency count all generated tokens and no prompt (OpenAI)
    std::optional<std::uint32_t> seed{};  // absent = a fresh random one
    std::vector<LogitBias> logit_bias{};
};

// What the answer must look like. With a chat prompt it holds for the text after the thinking block.
enum class OutputFormat : std::uint8_t {
    text,         // anything
    json,         // one JSON value, an object
    json_schema,  // JSON that is valid for a schema
    gbnf,         // text of a grammar in libllama's notation
    regex,        // text that matches a regular expression as a whole
};

inline constexpr std::uint32_t max_choices = 16;      // that are answered
inline constexpr std::uint32_t max_candidates = 20;   // of which the best are answered
inline constexpr std::uint32_t max_top_logprobs = 20;
inline constexpr std::size_t max_stop_strings = 64;
inline constexpr std::size_t max_stop_string_bytes = 1024;
inline constexpr std::size_t max_images = 64;                       // of one request
inline constexpr std::size_t max_image_bytes = 20U << 20;           // of one image's file
inline constexpr std::uint64_t max_image_pixels = 36'000'000;       // of one image; 3 bytes each once it is decoded
inline constexpr std::uint32_t max_image_side = 16'384;
inline constexpr std::size_t max_wav_bytes = 20U << 20;             // of one recording's file
inline constexpr std::size_t max_mp3_bytes = 4U << 20;              // the same; decoded it is up to sixty times as long
inline constexpr std::uint32_t max_audio_seconds = 1'800;

struct GenerateRequest {
    Prompt prompt;
    std::vector<Token> context_before{};      // put before the rendered prompt (Ollama's `context`)
    SamplingParams sampling{};
    std::vector<std::string> stop{};          // stop strings; never part of the text that is sent
    std::optional<std::uint32_t> max_tokens{};  // absent = until the model stops or the window is full
    std::uint32_t choices = 1;                // 1..max_candidates sequences that share one prefill
    OutputFormat format = OutputFormat::text;
    std::string format_definition{};          // json_schema: the schema as JSON text; gbnf, regex: the text
    std::string format_field{"format"};       // where the client wrote it, for errors
    bool format_lenient = false;              // json_schema: keywords that cannot be enforced are not refused
    std::optional<std::uint32_t> thinking_budget{};  // tokens after which a thinking block is closed; 0 = at once
    bool ignore_eos = false;
    std::uint32_t max_repeats = 0;            // a token that comes so many times more in a row, but for white space, ends
                                              // the answer with `stop`: the model goes round in circles; 0 = it may
    bool logprobs = false;
    std::uint32_t top_logprobs = 0;           // 0..max_top_logprobs alternatives per token
    bool prompt_logprobs = false;             // also score the prompt (completions with echo + logprobs)
    bool shift = false;                       // window full: forget the oldest half and go on, instead of `length`
    std::uint32_t keep_tokens = 0;            // shift keeps this many tokens at the start of the prompt
    bool truncate = false;                    // cut an over-long prompt instead of failing with context_overflow
    std::uint32_t context_tokens = 0;         // window of this request; 0 or larger than the model's = the model's
    bool want_prompt_tokens = false;          // PromptAccepted carries the prompt's tokens, text pieces theirs
    std::string tenant{};                     // opaque; whose request it is, for fair share
    std::string request_id{};                 // as the client knows it: its x-request-id or its job's id
    bool shared_cache = false;                // shares cached prefixes with other tenants' requests that say so, too,
                                              // instead of with its own tenant's
    std::int32_t priority = 0;                // smaller first
    std::uint32_t deadline_ms = 0;            // refused when its first token cannot come so soon; 0 = whenever
};

struct TokenAlternative {
    Token token = 0;
    float logprob = 0;   // natural log of the softmax over the raw logits; -9999 for impossible
    std::string bytes;   // the token's own bytes, not always whole UTF-8
};

struct TokenLogprob {
    TokenAlternative chosen;
    std::vector<TokenAlternative> top;  // descending
};

enum class FinishReason : std::uint8_t {
    stop,       // end-of-generation token or stop string
    length,     // max_tokens or the window is full
    cancelled,
};

// The prompt is rendered, tokenized and in the queue. First event of every request that does not fail before it.
struct PromptAccepted {
    std::uint32_t prompt_tokens = 0;
    std::vector<Token> tokens{};               // only with want_prompt_tokens
    std::vector<TokenLogprob> prompt_logprobs{};  // only with prompt_logprobs; first token has none
    bool thinking_open = false;  // a chat prompt whose rendered text ends with the model's opening thinking tag
};

// Text of one or more tokens of one choice. Always whole UTF-8; may be empty when bytes or a possible stop string are
// held back, or when only logprobs are to be told.
struct TextPiece {
    std::uint32_t choice = 0;
    std::string text;
    std::uint32_t n_tokens = 0;                // sampled tokens this piece accounts for
    std::vector<Token> tokens{};               // only with want_prompt_tokens
    std::vector<TokenLogprob> logprobs{};      // only with logprobs; one per token
};

struct ChoiceFinished {
    std::uint32_t choice = 0;
    FinishReason reason = FinishReason::stop;
    std::string stop_string{};                 // the stop string that ended it, if one did
};

// Durations in nanoseconds.
struct Timings {
    std::uint64_t queue_ns = 0;    // accepted until its first token was planned
    std::uint64_t prefill_ns = 0;  // from there to the first sampled token
    std::uint64_t decode_ns = 0;   // from there to the last
};

struct GenerationDone {
    std::uint32_t prompt_tokens = 0;
    std::uint32_t cached_tokens = 0;      // prompt tokens taken from the KV cache
    std::uint32_t completion_tokens = 0;  // sampled tokens of all choices
    bool truncated = false;               // the prompt did not fit into the window: some of it was left out
    Timings timings{};
};

// A stream is PromptAccepted?, then TextPiece and ChoiceFinished in any interleaving of choices, then exactly one
// GenerationDone or Error.
using GenerationEvent = std::variant<PromptAccepted, TextPiece, ChoiceFinished, GenerationDone, Error>;

[[nodiscard]] inline bool is_last(const GenerationEvent& event) {
    return std::holds_alternative<GenerationDone>(event) || std::holds_alternative<Error>(event);
}

struct EmbedRequest {
    std::vector<std::variant<std::string, std::vector<Token>>> inputs;
    bool truncate = true;           // cut inputs to the window instead of failing with context_overflow
    std::uint32_t dimensions = 0;   // 0 = all; smaller: cut, then normalised again
    bool normalize = true;          // to length 1 (L2)
    std::optional<std::string> rank_query{};  // a ranking model: each input is a document, its vector the one score
    std::uint32_t context_tokens = 0;         // inputs of at most this many tokens; 0 or larger than the model's = the model's
    std::string tenant{};
};

struct EmbedResult {
    std::vector<std::vector<float>> vectors;  // in the order of the inputs
    std::vector<std::uint32_t> tokens;        // per input
};

}  // namespace weft
