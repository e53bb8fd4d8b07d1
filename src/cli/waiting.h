#pragma once

#include "cli/interrupt.h"
#include "cli/ollama_client.h"
#include "cli/terminal.h"

namespace weft::cli {

// While it lives, Ctrl-C cancels the client's requests and a spinner turns until something comes. Thread: main.
class Waiting {
  public:
    Waiting(OllamaClient& client, const Terminal& terminal) : client_(client), spinner_(terminal) {
        client_.set_waiting(interrupt_.fd(), [this] {
            if (!came_) spinner_.tick();
        });
    }
    ~Waiting() { client_.set_waiting(-1, {}); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    void something_came() {
        came_ = true;
        spinner_.stop();
    }

  private:
    OllamaClient& client_;
    Interrupt interrupt_;
    Spinner spinner_;
    bool came_ = false;
};

}  // namespace weft::cli
