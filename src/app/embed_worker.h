#pragma once

#include <memory>
#include <thread>

#include "base/channel.h"
#include "engine/embedder.h"
#include "runner/link.h"
#include "runner/messages.h"
#include "scheduler/cancel_board.h"

namespace weft {

// Embeds beside the step thread, in a context of its own that is made when it is first asked for. Thread: reader, but for
// what it does on its own one.
class EmbedWorker {
  public:
    EmbedWorker(std::shared_ptr<const LoadedModel> model, LoadMessage message, Link& link);
    ~EmbedWorker();
    EmbedWorker(const EmbedWorker&) = delete;
    EmbedWorker& operator=(const EmbedWorker&) = delete;

    // Answered as overloaded when too many wait.
    void submit(EmbedMessage message);

    // Takes effect within one part of a decode call. Nobody is answered. False when the request is not in here.
    [[nodiscard]] bool cancel(std::uint64_t id) { return board_.cancel(id); }

  private:
    void work();
    [[nodiscard]] Result<EmbedResult> embed(const EmbedMessage& message, std::uint64_t& more_memory_bytes);
    void reply(EmbedReply reply);

    std::shared_ptr<const LoadedModel> model_;
    LoadMessage message_;
    Link& link_;
    std::unique_ptr<Embedder> embedder_;  // Thread: embed
    CancelBoard board_;
    Channel<EmbedMessage> queue_;
    std::jthread thread_;
};

}  // namespace weft
