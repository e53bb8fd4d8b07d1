#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// What the user can set for the answers to come.
struct SessionSettings {
    std::string model;
    std::optional<std::string> system{};
    std::optional<JsonText> think{}, format{}, keep_alive{};
    std::map<std::string, JsonText> options{};
    bool show_thinking = true;
    bool word_wrap = true;
    bool verbose = false;
};

// A conversation: asks, prints the answer while it comes in, remembers both sides. Thread: main.
class ChatSession {
  public:
    ChatSession(OllamaClient& client, const Terminal& terminal, SessionSettings settings)
        : client_(client), terminal_(terminal), settings_(std::move(settings)) {}

    [[nodiscard]] SessionSettings& settings() { return settings_; }

    // Loads the model before the first question.
    [[nodiscard]] Result<void> load();

    // Prints the answer to standard output. Ctrl-C stops it and gives cancelled; what has come in by then is remembered.
    // After any other error the question is forgotten, so that it can be asked again.
    [[nodiscard]] Result<void> ask(const std::string& question);

    // The request that ask() would send.
    [[nodiscard]] ChatRequest request_for(const std::string& question) const;

    void forget() { messages_.clear(); }

  private:
    OllamaClient& client_;
    const Terminal& terminal_;
    SessionSettings settings_;
    std::vector<ChatMessage> messages_;  // without the system message
};

}  // namespace weft::cli
