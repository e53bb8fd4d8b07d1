#include "cli/repl.h"

#include <optional>
#include <string>
#include <string_view>

#include "cli/line_editor.h"
#include "cli/slash_commands.h"

namespace weft::cli {
namespace {

constexpr std::string_view quotes = R"(""")";

// The part of a line up to and with the opening quotes of a text over several lines; empty when it begins none.
std::string_view block_start(std::string_view line) {
    for (const std::string_view before : {"", "/set system "})
        if (line.starts_with(before) && line.substr(before.size()).starts_with(quotes))
            return line.substr(0, before.size() + quotes.size());
    return {};
}

// Reads on until the closing quotes. Nothing when the user gave it up.
std::optional<std::string> read_block(LineEditor& editor, const std::string& first_line) {
    const auto start = block_start(first_line);
    const std::string before(start.substr(0, start.size() - quotes.size()));
    std::string text = first_line.substr(start.size());
    while (!text.contains(quotes)) {
        const auto next = editor.read(LineEditor::Prompt::continuation);
        if (!next.line) return std::nullopt;
        text += "\n" + *next.line;
    }
    text.erase(text.find(quotes), quotes.size());
    if (text.starts_with('\n')) text.erase(0, 1);
    return before + text;
}

void ask(const Terminal& terminal, ChatSession& session, const std::string& question) {
    const auto result = session.ask(question);
    if (!result && result.error().code != ErrorCode::cancelled) print_error(result.error().message);
    print(terminal.output ? "\n" : "");
}

}  // namespace

Result<void> converse_on_terminal(OllamaClient& client, const Terminal& terminal, ChatSession& session) {
    if (auto loaded = session.load(); !loaded) return loaded;
    LineEditor editor(terminal);
    SlashCommands commands(client, terminal, session, editor);
    for (;;) {
        auto entry = editor.read(LineEditor::Prompt::first);
        if (entry.leave) return {};
        if (!entry.line) continue;
        if (!block_start(*entry.line).empty()) entry.line = read_block(editor, *entry.line);
        if (!entry.line || entry.line->find_first_not_of(" \t\n") == std::string::npos) continue;
        if (!SlashCommands::is_command(*entry.line)) {
            ask(terminal, session, *entry.line);
        } else if (commands.run(*entry.line) == SlashCommands::After::leave) {
            return {};
        }
    }
}

}  // namespace weft::cli
