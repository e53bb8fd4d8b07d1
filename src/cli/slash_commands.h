#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/chat_session.h"
#include "cli/line_editor.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// The words of a line; "..." keeps blanks together.
[[nodiscard]] std::vector<std::string> split_words(std::string_view line);

// /set, /show, /load and the rest, on a conversation. Thread: main.
class SlashCommands {
  public:
    enum class After { go_on, leave };

    SlashCommands(OllamaClient& client, const Terminal& terminal, ChatSession& session, LineEditor& editor)
        : client_(client), terminal_(terminal), session_(session), editor_(editor) {}

    // A line that begins with "/word"; "/home/me/file" is none.
    [[nodiscard]] static bool is_command(std::string_view line);

    // Runs it and shows what it has to say, errors included.
    [[nodiscard]] After run(const std::string& line);

    // What Tab offers.
    [[nodiscard]] static const std::vector<std::string>& completions();

  private:
    using Words = std::vector<std::string>;

    Result<void> set(const Words& words, const std::string& line);
    Result<void> set_parameter(const Words& words);
    Result<void> show(const Words& words);
    Result<void> show_system();
    Result<void> show_parameters();
    Result<void> load(const Words& words);
    void help(const Words& words);
    void say(std::string_view text);

    OllamaClient& client_;
    const Terminal& terminal_;
    ChatSession& session_;
    LineEditor& editor_;
};

}  // namespace weft::cli
