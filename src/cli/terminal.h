#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::cli {

// What standard input, output and error are connected to. Thread: main.
struct Terminal {
    bool input = false;    // standard input is a terminal
    bool output = false;
    bool error = false;
    bool colors = false;   // both output streams may carry colours: NO_COLOR is unset, TERM is not "dumb"

    [[nodiscard]] static Terminal detect();
    // Of standard output now; 0 when it is not a terminal.
    [[nodiscard]] std::size_t columns() const;
    // text in that style ("2" dim, "1" bold, "31" red) if output is a terminal with colours.
    [[nodiscard]] std::string styled(std::string_view style, std::string_view text) const;
};

// Writes all of text to standard output at once. False when nobody reads it any more.
bool print(std::string_view text);

// errno of the first print() that failed; 0 when none did.
[[nodiscard]] int output_error();

// One line on standard error: "weft: MESSAGE", without control characters.
void print_error(std::string_view message);

// A sign of life on standard error while an answer is awaited; nothing when that is not a terminal. tick() about ten
// times a second; gone when stopped or destroyed.
class Spinner {
  public:
    explicit Spinner(const Terminal& terminal) : enabled_(terminal.error && terminal.colors) {}
    ~Spinner() { stop(); }
    Spinner(const Spinner&) = delete;
    Spinner& operator=(const Spinner&) = delete;

    void tick();
    void stop();

  private:
    bool enabled_;
    bool shown_ = false;
    std::size_t frame_ = 0;
};

}  // namespace weft::cli
