#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "cli/text_width.h"

namespace weft::cli {
namespace {

int first_output_error = 0;

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

bool is_set(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

}  // namespace

Terminal Terminal::detect() {
    Terminal terminal{.input = isatty(STDIN_FILENO) == 1,
                      .output = isatty(STDOUT_FILENO) == 1,
                      .error = isatty(STDERR_FILENO) == 1};
    const char* kind = std::getenv("TERM");
    terminal.colors = !is_set("NO_COLOR") && (kind == nullptr || std::string_view(kind) != "dumb");
    return terminal;
}

std::size_t Terminal::columns() const {
    winsize size{};
    if (!output) return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

std::string Terminal::styled(std::string_view style, std::string_view text) const {
    if (!output || !colors) return std::string(text);
    return "\x1b[" + std::string(style) + "m" + std::string(text) + "\x1b[0m";
}

bool print(std::string_view text) {
    if (write_all(STDOUT_FILENO, text)) return true;
    if (first_output_error == 0) first_output_error = errno;
    return false;
}

int output_error() { return first_output_error; }

void print_error(std::string_view message) {
    std::string line = without_controls(message);
    std::ranges::replace(line, '\n', ' ');
    write_all(STDERR_FILENO, "weft: " + line + "\n");
}

void Spinner::tick() {
    constexpr std::array frames{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    if (!enabled_) return;
    const std::string frame = frames[frame_++ % frames.size()];
    write_all(STDERR_FILENO, "\r" + frame + " ");
    shown_ = true;
}

void Spinner::stop() {
    if (shown_) write_all(STDERR_FILENO, "\r\x1b[K");
    shown_ = false;
}

}  // namespace weft::cli
