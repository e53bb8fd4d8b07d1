#pragma once

// Stand-ins for a loaded model and for the registry, so that everything above the runner seam is tested without one.
//
//     asio::io_context io;
//     FakeRegistry registry(io.get_executor());
//     auto runner = registry.add("demo");             // demo:latest, chat template, completion + embedding
//     runner->answers("Hello there!");                // every request: "Hello", " there!" and stop
//     runner->next({.pieces = {"a"}, .hold = true});  // only the next request: "a", then nothing until release()
//     ... drive the io_context ...
//     CHECK(runner->requests.at(0).sampling.temperature == 0.8F);
//     CHECK(runner->cancelled == 1);

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "registry/registry.h"
#include "runner/runner.h"

namespace weft::test {

// What a FakeRunner does with one generation. Each event is sent in an io turn of its own, and the sequence pauses while
// its reader is slow, as with a real engine.
struct Script {
    std::vector<std::string> pieces{"Hello", " there!"};  // one sampled token each, for every choice
    FinishReason finish = FinishReason::stop;             // "length" by itself when max_tokens cuts the pieces short
    std::string stop_string{};
    std::uint32_t prompt_tokens = 7;
    std::uint32_t cached_tokens = 0;
    bool thinking_open = false;                           // the prompt ended inside a thinking block
    Timings timings{.queue_ns = 1'000'000, .prefill_ns = 20'000'000, .decode_ns = 30'000'000};
    std::optional<Error> refuse{};   // the stream holds just this error
    std::optional<Error> break_off{};  // after the pieces: this error in place of the end
    bool hold = false;               // after the pieces: nothing more until release() or cancellation
};

class FakeRunner final : public Runner {
  public:
    explicit FakeRunner(boost::asio::any_io_executor io);

    // From now on every request gets this. Text is split before each space: "one two" is "one", " two".
    void answers(Script script);
    void answers(const std::string& text);
    void answers(std::function<Script(const GenerateRequest&)> decide);
    // Only the next request gets this (then the one after that, ...).
    void next(Script script);
    // Lets requests that are held end.
    void release();

    std::vector<GenerateRequest> requests{};   // in the order they came
    std::vector<EmbedRequest> embed_requests{};
    std::vector<ChatPrompt> rendered{};
    std::optional<Error> embed_fails{};
    bool embed_hangs = false;                // nothing is answered
    std::uint32_t cancelled_embeds = 0;
    std::uint32_t cancelled = 0;             // streams whose reader left before the end
    std::uint32_t running = 0;               // streams that have not ended
    ModelDescription told{};                 // what description() says; change it before use

    // Vector of the text as embed() returns it: depends on the text only; length 1 with normalize.
    [[nodiscard]] std::vector<float> vector_of(const std::string& text, bool normalize = true) const;

    const ModelDescription& description() const override { return told; }
    // With logprobs each piece has one: token id = its index + 100, logprob -0.5, alternatives " alt0" (-1.5), " alt1"
    // (-2.5), ... With want_prompt_tokens the prompt is tokens 1..prompt_tokens and pieces name theirs.
    TokenStream start(GenerateRequest request) override;
    std::function<void()> embed(EmbedRequest request, std::function<void(Result<EmbedResult>)> done) override;
    // One token per byte of the text.
    void tokenize(std::string text, bool add_special, bool parse_special,
                  std::function<void(Result<std::vector<Token>>)> done) override;
    // Of the rendered text.
    void tokenize_chat(ChatPrompt prompt, bool add_special, std::function<void(Result<std::vector<Token>>)> done) override;
    void detokenize(std::vector<Token> tokens, std::function<void(Result<std::string>)> done) override;
    void pieces(std::vector<Token> tokens, std::function<void(Result<std::vector<std::string>>)> done) override;
    // "role: content\n" per message.
    void render(ChatPrompt prompt, std::function<void(Result<std::string>)> done) override;
    // As many as the rendered text has bytes.
    void count(ChatPrompt prompt, std::function<void(Result<std::uint32_t>)> done) override;
    RunnerStats stats() const override;

  private:
    struct Play;
    void send_next(const std::shared_ptr<Play>& play);

    boost::asio::any_io_executor io_;
    std::function<Script(const GenerateRequest&)> decide_;
    std::deque<Script> next_;
    std::vector<std::weak_ptr<Play>> held_;
    std::vector<std::function<void(Result<EmbedResult>)>> held_embeds_;
};

// A registry over a few fakes. Everything that is asked of it is written down.
class FakeRegistry final : public Registry {
  public:
    explicit FakeRegistry(boost::asio::any_io_executor io) : io_(std::move(io)) {}

    // A model that answers with a new FakeRunner; with "thinking" and "tools" among its capabilities in the notation of
    // <think> and <tool_call>. Change `info` before the first use, if at all.
    std::shared_ptr<FakeRunner> add(const std::string& name, std::vector<std::string> capabilities = {"completion"});
    // The model's description, to be changed by a test.
    ModelInfo& info(const std::string& name);

    std::vector<AcquireRequest> acquired{};
    std::vector<std::string> unloaded{};
    std::optional<Error> acquire_fails{};       // what every acquire() gets
    std::chrono::nanoseconds load_duration{5'000'000};

    // The number of leases on a model that live now.
    [[nodiscard]] std::uint32_t leases(const std::string& name) const;

    std::vector<std::shared_ptr<const ModelInfo>> list() override;
    Result<std::shared_ptr<const ModelInfo>> find(const std::string& name) override;
    void acquire(AcquireRequest request, std::function<void(Result<RunnerLease>)> done) override;
    std::vector<ResidentModel> resident() override;
    Result<void> unload(const std::string& name) override;

  private:
    struct Entry {
        std::shared_ptr<ModelInfo> info;
        std::shared_ptr<FakeRunner> runner;
        std::shared_ptr<int> leases = std::make_shared<int>();  // counted by its use_count
        bool loaded = false;
        std::optional<KeepAlive> keep_alive{};
    };
    Result<Entry*> entry(const std::string& name);

    boost::asio::any_io_executor io_;
    std::map<std::string, Entry> entries_;  // by ModelName::key()
};

}  // namespace weft::test
