#include "dialect.h"

#include <charconv>

namespace weft::bench {
namespace {

std::string target_of(const Options& options) {
    switch (options.api) {
        case Api::openai_chat: return "/v1/chat/completions";
        case Api::openai_completions: return "/v1/completions";
        case Api::ollama_chat: return "/api/chat";
        case Api::ollama_generate: return "/api/generate";
        case Api::get:
        case Api::post: return options.path;
    }
    return "/";
}

std::string number(double value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

std::string messages(std::string_view prompt) {
    return R"("messages":[{"role":"user","content":)" + std::string(prompt) + "}]";
}

std::string openai_body(const Options& options, std::string_view prompt) {
    std::string body = options.api == Api::openai_chat ? messages(prompt) : R"("prompt":)" + std::string(prompt);
    body += R"(,"max_tokens":)" + std::to_string(options.max_tokens);
    body += R"(,"temperature":)" + number(options.temperature);
    if (options.stream) body += R"(,"stream":true,"stream_options":{"include_usage":true})";
    if (options.ignore_eos) body += R"(,"ignore_eos":true)";
    return body;
}

std::string ollama_body(const Options& options, std::string_view prompt) {
    std::string body = options.api == Api::ollama_chat ? messages(prompt) : R"("prompt":)" + std::string(prompt);
    if (!options.stream) body += R"(,"stream":false)";
    body += R"(,"options":{"num_predict":)" + std::to_string(options.max_tokens);
    body += R"(,"temperature":)" + number(options.temperature);
    if (options.ignore_eos) body += R"(,"ignore_eos":true)";
    return body + "}";
}

bool is_openai(Api api) { return api == Api::openai_chat || api == Api::openai_completions; }

std::string body_of(const Options& options, std::string_view prompt) {
    if (options.api == Api::post) return "{" + options.extra_json + "}";
    std::string body = R"({"model":")" + options.model + "\",";
    body += is_openai(options.api) ? openai_body(options, prompt) : ollama_body(options, prompt);
    if (!options.extra_json.empty()) body += "," + options.extra_json;
    return body + "}";
}

// The number after "name": ; unchanged when it is not there.
void find_number(std::string_view text, std::string_view name, std::uint64_t& value) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) return;
    const char* first = text.data() + at + name.size();
    const char* last = text.data() + text.size();
    while (first < last && (*first == ' ' || *first == ':')) ++first;
    std::from_chars(first, last, value);
}

// Is there a non-empty string after "name": ?
bool has_text(std::string_view event, std::string_view name) {
    auto at = event.find(name);
    if (at == std::string_view::npos) return false;
    at += name.size();
    while (at < event.size() && (event[at] == ' ' || event[at] == ':')) ++at;
    return at + 1 < event.size() && event[at] == '"' && event[at + 1] != '"';
}

void find_counts(Api api, std::string_view text, Answer& answer) {
    if (is_openai(api)) {
        find_number(text, R"("prompt_tokens")", answer.prompt_tokens);
        find_number(text, R"("completion_tokens")", answer.completion_tokens);
        find_number(text, R"("cached_tokens")", answer.cached_tokens);
    } else {
        find_number(text, R"("prompt_eval_count")", answer.prompt_tokens);
        find_number(text, R"("eval_count")", answer.completion_tokens);
    }
}

bool brings_text(Api api, std::string_view event) {
    switch (api) {
        case Api::openai_chat:
        case Api::ollama_chat:
            return has_text(event, R"("content")") || has_text(event, R"("reasoning_content")") ||
                   has_text(event, R"("thinking")");
        case Api::openai_completions: return has_text(event, R"("text")");
        case Api::ollama_generate: return has_text(event, R"("response")") || has_text(event, R"("thinking")");
        case Api::get:
        case Api::post: return false;
    }
    return false;
}

}  // namespace

std::string request_bytes(const Options& options, std::string_view prompt) {
    const bool get = options.api == Api::get;
    std::string head = (get ? "GET " : "POST ") + options.url.prefix + target_of(options) + " HTTP/1.1\r\n";
    head += "Host: " + options.url.host + ":" + options.url.port + "\r\n";
    if (!options.api_key.empty()) head += "Authorization: Bearer " + options.api_key + "\r\n";
    if (get) return head + "\r\n";
    const std::string body = body_of(options, prompt);
    head += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return head + body;
}

bool take_line(Api api, std::string_view line, Answer& answer) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_openai(api)) {
        if (line.starts_with("error:")) answer.error = line;  // llama-server's own way to say it
        if (!line.starts_with("data:")) return false;
        line.remove_prefix(5);
        if (line.starts_with(' ')) line.remove_prefix(1);
        if (line == "[DONE]") {
            answer.finished = true;
            return false;
        }
    }
    if (line.starts_with(R"({"error")")) answer.error = line;
    // Usage comes in few events: look for its braces before looking for its numbers.
    if (is_openai(api) ? line.find(R"("usage":{)") != line.npos : line.find(R"("done":true)") != line.npos) {
        find_counts(api, line, answer);
        if (!is_openai(api)) answer.finished = true;
    }
    return brings_text(api, line);
}

void take_whole(Api api, std::string_view body, Answer& answer) {
    find_counts(api, body, answer);
    if (body.starts_with(R"({"error")"))
        answer.error = body;
    else
        answer.finished = true;
}

}  // namespace weft::bench
