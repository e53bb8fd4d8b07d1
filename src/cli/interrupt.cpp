#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/assert.h"

namespace weft::cli {
namespace {

int event_fd = -1;                  // the handler can only reach what is global
struct sigaction previous_action{};

void on_signal(int) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_fd, &one, sizeof one);
}

}  // namespace

Interrupt::Interrupt() {
    assert_that(event_fd == -1, "there is one Interrupt at a time");
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, &previous_action);
}

Interrupt::~Interrupt() {
    sigaction(SIGINT, &previous_action, nullptr);
    close(event_fd);
    event_fd = -1;
}

int Interrupt::fd() const { return event_fd; }

bool Interrupt::happened() const {
    pollfd polled{event_fd, POLLIN, 0};
    return poll(&polled, 1, 0) > 0;
}

}  // namespace weft::cli
