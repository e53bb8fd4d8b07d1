#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/grammar_constraint.h"
#include "engine/loaded_model.h"
#include "engine/prompt.h"
#include "runner/link.h"
#include "runner/messages.h"
#include "scheduler/admission_gate.h"
#include "scheduler/cancel_board.h"
#include "scheduler/event_sink.h"
#include "scheduler/fair_channel.h"
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
// window, and puts what is ready into the inbox. Also answers tokenize, detokenize, render and count. Owns its few
// threads; one of them does what takes long, one looks at images.
class Intake {
  public:
    struct Parts {
        std::shared_ptr<const LoadedModel> model;
        std::int32_t window = 0;
        bool shared_cache = false;  // between all tenants
        bool marks_messages = false;  // where messages begin is of use to the scheduler
        ImageEyes eyes{};
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
    // PiecesMessage, RenderMessage or CountMessage. Thread: reader.
    void submit(ToEngine message);

    // A GenerateMessage that is still in here goes no further; false when it is not (any more). Thread: reader.
    [[nodiscard]] bool cancel(std::uint64_t id) { return board_.cancel(id); }

  private:
    struct Arrived {
        ToEngine message;
        std::chrono::steady_clock::time_point at;
        std::size_t images_seen = 0;  // how many of its images the projector has looked at
    };
    void work();
    void work_on_long();
    void work_on_images();
    void look_at(const std::string& owner, Arrived look);
    void handle(Arrived& arrived);
    [[nodiscard]] bool submit_text(const std::string& owner, Arrived& arrived);
    [[nodiscard]] bool fits(const std::string& owner, std::size_t bytes);
    void release(const std::string& owner, std::size_t bytes);
    void prepare(GenerateMessage& message, std::chrono::steady_clock::time_point accepted_at);
    void forget(std::uint64_t id, const std::string& tenant);  // of a GenerateMessage that goes no further
    void refuse(const ToEngine& message, const Error& error);
    void answer(const TokenizeMessage& message);
    [[nodiscard]] Result<std::vector<Token>> tokens_of(const TokenizeMessage& message) const;
    void answer(const DetokenizeMessage& message);
    void answer(const RenderMessage& message);
    void answer(const PiecesMessage& message);
    void answer(const CountMessage& message);

    [[nodiscard]] Result<ConstraintPlan> plan_of(const GenerateRequest& request) const;
    // What the answer must keep to; null where it is free.
    [[nodiscard]] Result<std::shared_ptr<const CompiledConstraint>> constraint_of(const GenerateRequest& request);

    Parts parts_;
    ConstraintCache constraints_;
    CancelBoard board_;  // of the GenerateMessages in here
    // Tenants take turns, in all three.
    FairChannel<Arrived> queue_;
    FairChannel<Arrived> long_queue_;  // texts that take a while
    // Whatever has images: looking at one takes as long as a thousand texts. Turns are image by image.
    FairChannel<Arrived> image_queue_;
    std::mutex bytes_mutex_;  // guards the next one
    std::unordered_map<std::string, std::size_t> image_bytes_;  // in both queues, by tenant; "": all of them
    std::vector<std::jthread> threads_;
};

}  // namespace weft
