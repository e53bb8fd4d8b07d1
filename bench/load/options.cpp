#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

namespace weft::bench {
namespace {

const std::map<std::string, Api> apis{{"openai-chat", Api::openai_chat},
                                      {"openai-completions", Api::openai_completions},
                                      {"ollama-chat", Api::ollama_chat},
                                      {"ollama-generate", Api::ollama_generate},
                                      {"get", Api::get},
                                      {"post", Api::post}};
const std::map<std::string, PromptKind> prompt_kinds{{"words", PromptKind::words}, {"tokens", PromptKind::tokens}};

void add_load(CLI::App& app, Options& options, std::uint32_t& open_streams) {
    app.add_option("-c,--clients", options.clients, "closed loop: clients, each with one request at a time")
        ->check(CLI::Range(1, 60000))->capture_default_str();
    app.add_option("--rate", options.rate, "open loop: requests a second, arriving as a Poisson process")
        ->check(CLI::PositiveNumber);
    app.add_option("-n,--requests", options.requests, "end after so many requests");
    app.add_option("-d,--duration", options.duration_s, "end after so many seconds; requests still running are cut off");
    app.add_option("--timeout", options.timeout_s, "seconds for one request")->capture_default_str();
    app.add_option("--warmup", options.warmup, "requests before, one after the other, not counted");
    app.add_option("--pipeline", options.pipeline, "api get and post: requests sent at once on one connection")
        ->check(CLI::Range(1, 1000));
    app.add_option("--max-in-flight", options.max_in_flight, "open loop: most requests at once")->capture_default_str();
    app.add_option("--open-streams", open_streams, "one streamed request on each of N connections, all at once");
    app.add_option("--idle-connections", options.idle_connections, "open N connections, send one GET on each, hold them");
    app.add_option_function<std::uint32_t>(
        "--web-sockets", [&options](std::uint32_t n) { options.idle_connections = n, options.web_sockets = true; },
        "open N WebSockets at --path, ping on each, hold them");
    app.add_option("--hold", options.hold_s, "seconds to hold idle connections")->capture_default_str();
    app.add_option("--server-pid", options.server_pid, "report the resident memory of this process");
}

void add_requests(CLI::App& app, Options& options) {
    app.add_option("--seed", options.seed, "of prompts and arrivals")->capture_default_str();
    app.add_option("--prompt", options.prompt_kind, "words (text) or tokens (ids; openai-completions only)")
        ->transform(CLI::CheckedTransformer(prompt_kinds));
    app.add_option("--prompt-tokens", options.prompt_tokens, "length of a prompt; a word counts as one")
        ->check(CLI::Range(1, 1000000))->capture_default_str();
    app.add_option("--shared-prefix", options.shared_prefix_tokens, "of these, the first N are the same for all");
    app.add_option("--first-token", options.first_token, "smallest token id of a prompt")->capture_default_str();
    app.add_option("--last-token", options.last_token, "largest token id of a prompt")->capture_default_str();
    app.add_option("--max-tokens", options.max_tokens, "tokens to generate")->capture_default_str();
    app.add_option("--temperature", options.temperature, "0 = greedy")->capture_default_str();
    app.add_flag("--ignore-eos", options.ignore_eos, "always generate max-tokens");
    app.add_flag("!--no-stream", options.stream, "ask for one answer instead of a stream");
    app.add_option("--body", options.extra_json, "further members of the request, as JSON without the braces; api post: all of it");
    app.add_option("--leave-midway", options.leave_midway, "this part (0..1) of the requests is abandoned midway")
        ->check(CLI::Range(0.0, 1.0));
}

void check(const Options& options) {
    if (options.idle_connections == 0 && options.requests == 0 && options.duration_s <= 0)
        throw CLI::ValidationError("say when to end: --requests, --duration or both");
    if (options.prompt_kind == PromptKind::tokens && options.api != Api::openai_completions)
        throw CLI::ValidationError("--prompt tokens needs --api openai-completions");
    if (options.leave_midway > 0 && !options.stream) throw CLI::ValidationError("--leave-midway needs a stream");
    if (options.first_token > options.last_token) throw CLI::ValidationError("--first-token is above --last-token");
    if (options.shared_prefix_tokens > options.prompt_tokens)
        throw CLI::ValidationError("--shared-prefix is longer than --prompt-tokens");
}

Url checked_url(const std::string& text) {
    auto url = parse_url(text);
    if (!url) throw CLI::ValidationError(url.error().message);
    return *std::move(url);
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    std::string url;
    std::uint32_t open_streams = 0;
    CLI::App app("Load generator for OpenAI- and Ollama-compatible servers: latency, throughput, goodput.", "weft-bench");
    app.add_option("url", url, "http://host:port")->required();
    app.add_option("--api", options.api, "openai-chat, openai-completions, ollama-chat, ollama-generate, get or post")
        ->transform(CLI::CheckedTransformer(apis));
    app.add_option("-m,--model", options.model, "model name")->capture_default_str();
    app.add_option("--path", options.path, "api get and post, --web-sockets: where")->capture_default_str();
    app.add_option("--api-key", options.api_key, "sent as bearer token");
    app.add_option("--json", options.json_path, "write the result as JSON to this file, - for standard output");
    app.add_option("--label", options.label, "a name for this run, copied into the result");
    app.add_option("--ttft-limit", options.ttft_limit_ms, "ms; a request within both limits is good")->capture_default_str();
    app.add_option("--itl-limit", options.itl_limit_ms, "ms, mean of a request")->capture_default_str();
    add_load(app, options, open_streams);
    add_requests(app, options);
    try {
        app.parse(argc, argv);
        if (open_streams > 0) {
            options.clients = open_streams;
            options.requests = open_streams;
        }
        check(options);
        options.url = checked_url(url);
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    return options;
}

}  // namespace weft::bench
