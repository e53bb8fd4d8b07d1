#pragma once

namespace weft::cli {

// Turns Ctrl-C into a file descriptor that becomes readable, for as long as it lives. One at a time. Thread: main.
class Interrupt {
  public:
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    [[nodiscard]] int fd() const;
    [[nodiscard]] bool happened() const;
};

}  // namespace weft::cli
