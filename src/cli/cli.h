#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::cli {

// What `weft serve` was told on its command line. Absent values are for the configuration file, the environment and the
// defaults to decide; nothing here is checked beyond its type.
struct ServeOptions {
    std::vector<std::string> models;                          // --model FILE
    std::vector<std::string> models_dirs;                     // --models-dir
    std::optional<std::string> projector;                     // --mmproj FILE: of the one --model
    std::optional<std::string> config;                        // --config
    std::optional<std::string> host;                          // --host
    std::optional<std::uint16_t> port;                        // --port; 0 takes a free one
    std::optional<std::string> port_file;                     // --port-file: where the port in use is written
    std::optional<std::uint32_t> context_tokens;              // --context
    std::optional<std::uint32_t> parallel;                    // --parallel
    std::optional<std::uint32_t> threads;                     // --threads
    std::optional<std::string> keep_alive;                    // --keep-alive, as in the Ollama API ("5m", "-1")
    std::optional<std::string> log_level;                     // --log-level: trace, debug, info, warn, error
    std::optional<std::string> log_format;                    // --log-format: text, json
    bool check = false;                                       // --check: report on the configuration and do not start
    std::vector<std::pair<std::string, std::string>> settings;  // --set KEY=VALUE, in order
};

struct EngineOptions {
    int fd = -1;  // --fd: the socket to the gateway
};

// The two subcommands that are no clients of the HTTP API. Each returns the exit status.
struct Hooks {
    std::function<int(ServeOptions)> serve;
    std::function<int(EngineOptions)> engine;
};

// The whole command line. Returns the exit status: 0 fine, 1 an error (one line on standard error), 2 wrong usage,
// 130 interrupted by Ctrl-C. Thread: main.
int run_cli(int argc, char** argv, const Hooks& hooks);

}  // namespace weft::cli
