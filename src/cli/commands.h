#pragma once

#include <string>

#include "base/error.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// The subcommands that ask the server one thing and print it. json prints the server's own JSON.

struct ListOptions {
    std::string prefix;  // of the names to show; empty: all
    bool json = false;
};
[[nodiscard]] Result<void> list_models(const OllamaClient& client, const ListOptions& options);

[[nodiscard]] Result<void> list_running(const OllamaClient& client, bool json);

struct ShowOptions {
    std::string model;
    bool modelfile = false, parameters = false, template_text = false, system = false, license = false;  // only that part
    bool verbose = false;
    bool json = false;
};
[[nodiscard]] Result<void> show_model(const OllamaClient& client, const Terminal& terminal, const ShowOptions& options);

// The sections of `show`, as one text.
[[nodiscard]] std::string describe(const ShownModel& model, const Terminal& terminal, bool verbose);

[[nodiscard]] Result<void> stop_model(const OllamaClient& client, const std::string& model);

// Fine when the server is ready for requests.
[[nodiscard]] Result<void> check_health(const OllamaClient& client);

// The client's version, and the server's when one answers.
[[nodiscard]] Result<void> print_version(const OllamaClient& client, bool json);

}  // namespace weft::cli
