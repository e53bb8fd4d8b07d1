#pragma once

#include <optional>
#include <string>

#include "cli/terminal.h"

namespace weft::cli {

// Lines typed on a terminal, with editing, history and completion of the /commands. One at a time, because the library
// below has one global state. Thread: main.
class LineEditor {
  public:
    enum class Prompt { first, continuation };

    struct Entry {
        std::optional<std::string> line;  // nothing: Ctrl-C gave the line up
        bool leave = false;               // Ctrl-D on an empty line, or the terminal is gone
    };

    explicit LineEditor(const Terminal& terminal);

    [[nodiscard]] Entry read(Prompt prompt);

    // Whether lines are remembered, in memory and in $WEFT_HOME/history. On unless OLLAMA_NOHISTORY is set.
    void keep_history(bool keep) { keep_history_ = keep; }

  private:
    bool keep_history_ = true;
    std::string typed_;  // what stands in the line while it is edited
};

}  // namespace weft::cli
