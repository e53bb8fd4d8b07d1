#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_engine.h"
#include "scheduler/scheduler.h"

namespace weft::test {

// What a client would have seen of one choice, or of the request.
struct Seen {
    std::map<std::uint32_t, std::string> text;
    std::map<std::uint32_t, ChoiceFinished> finished;
    std::optional<GenerationDone> done;
    std::optional<Error> error;
    std::vector<TokenLogprob> logprobs;
    std::vector<TokenLogprob> prompt_logprobs;
    std::uint32_t pieces = 0;
    std::uint32_t tokens = 0;
    bool accepted = false;  // told by the scheduler
    int endings = 0;  // must become exactly 1
};

// A scheduler over the fake engine, stepped by hand.
class Harness : public EventSink {
  public:
    struct Shape {
        std::int32_t kv_cells = 256;
        std::int32_t max_sequences = 16;
        std::int32_t max_batch_rows = 32;
        std::int32_t max_outputs = 16;
        std::int32_t window = 128;
        std::int32_t slots = 8;
        MemoryKind memory = MemoryKind::tree;
        std::uint32_t gate = 1000;
        bool deterministic = false;
        bool guesses = false;
        bool checks_prefixes = false;
        std::int32_t draft_cells = 0;      // of a draft model; 0: there is none
        std::uint64_t host_bytes = 0;      // 0: nothing is kept outside the pool
        std::filesystem::path folder{};    // empty: not on disk
        std::uint64_t disk_bytes = 1 << 30;
    };
    Harness() : Harness(Shape{}) {}
    explicit Harness(Shape s)
        : shape(s),
          engine({.kv_cells = s.kv_cells,
                  .max_sequences = s.max_sequences,
                  .max_batch_rows = s.max_batch_rows,
                  .max_outputs = s.max_outputs,
                  .context_tokens = s.window,
                  .memory = s.memory}),
          gate(s.gate),
          pool(2),
          spill(make_spill(s)),
          draft_engine({.kv_cells = std::max(s.draft_cells, 1), .max_sequences = 6, .max_batch_rows = 40, .max_outputs = 8,
                        .context_tokens = s.window}),
          draft(draft_engine, vocabulary.size(), clock, std::chrono::milliseconds(60)),
          scheduler(engine, vocabulary, clock, *this, inbox, gate, pool, spill.get(),
                    {.slots = s.slots, .heartbeat_every = std::chrono::milliseconds(1),
                     .deterministic = s.deterministic, .checks_prefixes = s.checks_prefixes, .guesses = {.looks_up = s.guesses, .draft = s.draft_cells > 0 ? &draft : nullptr, .draft_cost = 0.2}, .identity = "fake"}) {}

    // Where messages begin in the prompts that arrive from now on.
    std::vector<std::int32_t> message_borders;

    // Puts a request into the inbox; its id.
    std::uint64_t arrive(const std::string& prompt, GenerateRequest request = {}, bool is_chat = false,
                         bool thinking_open = false) {
        const ReplyFormat thinks{.thinking_open = "<think>", .thinking_close = "</think>"};
        return arrive_as(prompt, std::move(request), is_chat ? thinks : ReplyFormat{}, thinking_open, false);
    }
    std::uint64_t arrive_as(const std::string& prompt, GenerateRequest request, ReplyFormat format, bool thinking_open,
                            bool offers_tools) {
        const auto id = ++last_id_;
        (void)gate.try_enter(request.tenant);
        (void)gate.try_add_tokens(request.tenant, prompt.size());
        request.sampling.temperature = request.sampling.temperature == 1.0F ? 0.0F : request.sampling.temperature;
        inbox.push(std::make_shared<PreparedRequest>(PreparedRequest{
            .id = id, .prompt = tokens_of(prompt), .request = std::move(request), .window = shape.window,
            .reply_format = std::move(format), .thinking_open = thinking_open, .offers_tools = offers_tools,
            .message_borders = message_borders, .accepted_at = clock.time}));
        return id;
    }
    [[nodiscard]] std::uint64_t last_id() const { return last_id_; }
    void cancel(std::uint64_t id) { inbox.push(CancelRequest{id}); }
    void pause(std::uint64_t id, bool paused) { inbox.push(PauseRequest{id, paused}); }

    void step(int times = 1) {
        for (int i = 0; i < times; ++i) {
            clock.time += std::chrono::milliseconds(10);
            scheduler.step();
            // Files are read and written by a thread: tests look when it is done.
            if (spill) spill->settle(std::chrono::seconds(10));
            scheduler.check_invariants();
            assert_that(engine.used_cells() == scheduler.ledger().used_cells(), "ledger and pool agree");
            for (std::int32_t id = 0; id < shape.max_sequences; ++id)
                assert_that(engine.length(SequenceId{id}) == scheduler.ledger().length(SequenceId{id}), "of every sequence");
            assert_that(draft_engine.used_cells() == draft.kv().ledger().used_cells(), "the draft model's do, too");
        }
    }
    // Until nothing runs or waits; gives up (aborts) after `limit` steps.
    void run(int limit = 10'000) {
        step();
        while (scheduler.running() + scheduler.waiting() > 0) {
            assert_that(limit-- > 0, "the work ends");
            step();
        }
    }

    void send(EventFrame frame) override {
        ++frames;
        for (auto& [id, event] : frame.events) note(seen[id], event);
    }
    void heartbeat(const EngineHeartbeat& beat) override { ++heartbeats, last_beat = beat; }

    // What greedy decoding of the fake model gives for this prompt.
    [[nodiscard]] std::string expected(const std::string& prompt, std::size_t n) const {
        auto tokens = tokens_of(prompt);
        std::string text;
        for (std::size_t i = 0; i < n; ++i) {
            const auto token = engine.next(tokens);
            if (vocabulary.ends_generation(token)) break;
            tokens.push_back(token);
            text += vocabulary.bytes_of(token);
        }
        return text;
    }

    static std::unique_ptr<SpillStore> make_spill(const Shape& s) {
        if (s.host_bytes == 0) return nullptr;
        std::unique_ptr<BlockFiles> files;
        if (!s.folder.empty()) files = *BlockFiles::open(s.folder, "fake", s.disk_bytes);
        return std::make_unique<SpillStore>(s.host_bytes, std::move(files));
    }

    Shape shape;
    FakeEngine engine;
    ByteVocabulary vocabulary;
    HandClock clock;
    Inbox inbox;
    AdmissionGate gate;
    SamplerPool pool;
    std::unique_ptr<SpillStore> spill;
    FakeEngine draft_engine;
    DraftModel draft;
    Scheduler scheduler;
    std::map<std::uint64_t, Seen> seen;
    int frames = 0;
    int heartbeats = 0;
    EngineHeartbeat last_beat;

  private:
    static void note(Seen& s, GenerationEvent& event) {
        if (auto* piece = std::get_if<TextPiece>(&event)) {
            assert_that(s.endings == 0, "nothing follows the end");
            s.text[piece->choice] += piece->text;
            ++s.pieces;
            s.tokens += piece->n_tokens;
            s.logprobs.insert(s.logprobs.end(), piece->logprobs.begin(), piece->logprobs.end());
        } else if (auto* finished = std::get_if<ChoiceFinished>(&event)) {
            assert_that(!s.finished.contains(finished->choice), "a choice finishes once");
            s.finished[finished->choice] = *finished;
        } else if (auto* done = std::get_if<GenerationDone>(&event)) {
            s.done = *done, ++s.endings;
        } else if (auto* error = std::get_if<Error>(&event)) {
            s.error = *error, ++s.endings;
        } else if (auto* accepted = std::get_if<PromptAccepted>(&event)) {
            s.prompt_logprobs = accepted->prompt_logprobs;
            s.accepted = true;
        }
        assert_that(s.endings <= 1, "exactly one ending");
    }
    std::uint64_t last_id_ = 0;
};

}  // namespace weft::test
