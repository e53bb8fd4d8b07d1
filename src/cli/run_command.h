#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// `weft run`, as typed.
struct RunOptions {
    std::string model;
    std::vector<std::string> prompt;             // words
    std::optional<std::string> format;           // --format json, or a JSON Schema
    std::optional<std::string> think;            // --think[=LEVEL]
    bool hide_thinking = false;                  // --hidethinking
    std::optional<std::string> keep_alive;       // --keepalive
    std::optional<std::string> system;           // --system
    std::vector<std::string> parameters;         // --parameter NAME=VALUE, --temperature
    bool verbose = false;                        // --verbose
    bool no_word_wrap = false;                   // --nowordwrap
    bool json = false;                           // --json: the server's final object
    bool truncate = true;                        // --truncate, for embedding models
    std::optional<std::uint32_t> dimensions;     // --dimensions, for embedding models
};

// A conversation on a terminal; one answer when there is a prompt, standard input is a file or a pipe (it comes before
// the prompt), or standard output is not a terminal. An empty prompt loads the model. An embedding model prints a vector.
[[nodiscard]] Result<void> run_model(OllamaClient& client, const Terminal& terminal, const RunOptions& options);

}  // namespace weft::cli
