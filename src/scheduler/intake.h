#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/channel.h"
#include "engine/grammar_constraint.h"
#include "engine/loaded_model.h"
#include "runner/link.h"
#include "runner/messages.h"
#include "scheduler/event_sink.h"
#include "scheduler/inbox.h"

namespace weft {

// Sends a step's events and heartbeats to the gateway. Thread: any.
class LinkSink final : public EventSink {
  public:
    explicit LinkSink(Link& link) : link_(link) {}
    void send(EventFrame frame) override { (void)link_.write(encode(FromEngine(std::move(frame)))); }
    void heartbeat(const EngineHeartbeat& heartbeat) override { (void)link_.write(encode(FromEngine(heartbeat))); }

  private:
    Link& link_;
};

// Turns requests into token sequences beside the step thread: renders the prompt template, tokenizes, checks the
// window, and puts what is ready into the inbox. Also answers tokenize, detokenize and render. Owns its few threads.
class Intake {
  public:
    struct Parts {
        std::shared_ptr<const LoadedModel> model;
        std::int32_t window = 0;
        bool shared_cache = false;  // between all tenants
        bool marks_messages = false;  // where messages begin is of use to the scheduler
        Inbox& inbox;
        AdmissionGate& gate;
        EventSink& sink;
        Link& link;
    };
    Intake(Parts parts, std::size_t threads);
    ~Intake();
    Intake(const Intake&) = delete;
    Intake& operator=(const Intake&) = delete;

    // Takes a GenerateMessage (refused as overloaded when the gate is full), TokenizeMessage, DetokenizeMessage,
    // PiecesMessage or RenderMessage. Thread: reader.
    void submit(ToEngine message);

  private:
    void work();
    void prepare(GenerateMessage& message);
    void refuse(const ToEngine& message, const Error& error);
    void answer(const TokenizeMessage& message);
    void answer(const DetokenizeMessage& message);
    void answer(const RenderMessage& message);
    void answer(const PiecesMessage& message);

    [[nodiscard]] Result<ConstraintPlan> plan_of(const GenerateRequest& request) const;
    // What the answer must keep to; null where it is free.
    [[nodiscard]] Result<std::shared_ptr<const CompiledConstraint>> constraint_of(const GenerateRequest& request);

    Parts parts_;
    ConstraintCache constraints_;
    Channel<ToEngine> queue_;
    std::vector<std::jthread> threads_;
};

}  // namespace weft
