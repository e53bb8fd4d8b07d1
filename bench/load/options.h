#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "url.h"

namespace weft::bench {

enum class Api { openai_chat, openai_completions, ollama_chat, ollama_generate, get, post };
enum class PromptKind { words, tokens };

struct Options {
    Url url{};
    Api api = Api::openai_completions;
    std::string model = "default";
    std::string path = "/health";      // api get and post
    std::string api_key{};
    std::string json_path{};           // "-": standard output
    std::string label{};

    // How the load comes.
    std::uint32_t clients = 1;         // closed loop: each sends its next request when the last one has ended
    std::optional<double> rate{};      // open loop instead: requests a second, Poisson arrivals
    std::uint64_t requests = 0;        // 0: no limit but time
    double duration_s = 0;             // 0: no limit but requests
    double timeout_s = 120;            // of one request
    std::uint32_t warmup = 0;          // requests before that are not counted
    std::uint32_t pipeline = 1;        // api get and post: requests sent at once on one connection
    std::uint32_t max_in_flight = 20000;  // open loop: arrivals beyond it are counted as "not_sent"

    // What is asked.
    std::uint64_t seed = 1;
    PromptKind prompt_kind = PromptKind::words;
    std::uint32_t prompt_tokens = 32;
    std::uint32_t shared_prefix_tokens = 0;  // the first of them are the same in every request
    std::uint32_t first_token = 1000;        // prompt_kind tokens: ids are drawn from [first_token, last_token]
    std::uint32_t last_token = 30000;
    std::uint32_t max_tokens = 64;
    double temperature = 0;
    bool ignore_eos = false;
    bool stream = true;
    std::string extra_json{};          // further members of the body: "top_k":40,"cache_prompt":false; api post: all of them
    double leave_midway = 0;           // this part of the clients hang up after a random part of max_tokens

    // What counts as good.
    double ttft_limit_ms = 1000;
    double itl_limit_ms = 100;

    // Connections that do nothing.
    std::uint32_t idle_connections = 0;
    bool web_sockets = false;          // they speak WebSocket
    double hold_s = 3;
    std::uint64_t server_pid = 0;      // its resident memory is read from /proc
};

// Plain requests, always the same one: their answers are only counted.
[[nodiscard]] constexpr bool is_plain(Api api) { return api == Api::get || api == Api::post; }

// Exits with a message on wrong use, with the help text on --help.
[[nodiscard]] Options parse_options(int argc, char** argv);

}  // namespace weft::bench
