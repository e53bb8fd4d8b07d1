#include "cli/line_editor.h"

#include <fcntl.h>
#include <isocline.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>

#include "cli/slash_commands.h"

namespace weft::cli {
namespace {

std::optional<std::filesystem::path> weft_home() {
    if (const char* home = std::getenv("WEFT_HOME"); home != nullptr && *home != '\0') return home;
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return std::filesystem::path(home) / ".weft";
    return std::nullopt;
}

// The history holds what people asked: nobody else may read it. Empty when it cannot be kept.
std::string private_history_file() {
    const auto home = weft_home();
    if (!home) return {};
    std::error_code failure;
    std::filesystem::create_directories(*home, failure);
    const std::string file = *home / "history";
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) return {};
    const bool is_private = fchmod(fd, S_IRUSR | S_IWUSR) == 0;
    close(fd);
    return is_private ? file : std::string();
}

void complete_command(ic_completion_env_t* completions, const char* prefix) {
    const std::string_view typed(prefix);
    for (const auto& completion : SlashCommands::completions())
        if (!typed.empty() && completion.starts_with(typed))
            ic_add_completion_prim(completions, completion.c_str(), nullptr, nullptr, static_cast<long>(typed.size()), 0);
}

// Called with every change of the line: the only way to learn what stood in it when it was left.
void remember_typed(ic_highlight_env_t*, const char* input, void* typed) {
    *static_cast<std::string*>(typed) = input;
}

// A terminal that hangs up gives end-of-file for ever, which the line editor would go on reading.
void leave_when_terminal_hangs_up() {
    std::thread([] {
        pollfd terminal{.fd = STDIN_FILENO, .events = 0, .revents = 0};
        while (poll(&terminal, 1, -1) < 0 && errno == EINTR) {}
        _exit(128 + SIGHUP);
    }).detach();
}

}  // namespace

LineEditor::LineEditor(const Terminal& terminal) {
    leave_when_terminal_hangs_up();
    const char* no_history = std::getenv("OLLAMA_NOHISTORY");
    keep_history_ = no_history == nullptr || *no_history == '\0' || std::string_view(no_history) == "0";
    const std::string history = keep_history_ ? private_history_file() : std::string();
    ic_set_history(history.empty() ? nullptr : history.c_str(), -1);
    ic_set_prompt_marker(">>> ", "... ");
    ic_enable_color(terminal.colors);
    ic_enable_beep(false);
    ic_enable_brace_insertion(false);  // prose is no code
    ic_enable_brace_matching(false);
    ic_enable_multiline_indent(false);
    ic_enable_inline_help(false);
}

LineEditor::Entry LineEditor::read(Prompt prompt) {
    typed_.clear();
    ic_set_prompt_marker(prompt == Prompt::first ? ">>> " : "... ", "... ");
    char* text = ic_readline_ex("", complete_command, nullptr, remember_typed, &typed_);
    if (text == nullptr) return {.line = std::nullopt, .leave = typed_.empty() && prompt == Prompt::first};
    Entry entry{.line = text};
    ic_free(text);
    if (!keep_history_) ic_history_remove_last();
    return entry;
}

}  // namespace weft::cli
