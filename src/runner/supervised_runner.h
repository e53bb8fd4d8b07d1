#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "runner/engine_process.h"
#include "runner/runner.h"

namespace weft {

inline constexpr int crashes_until_quarantine = 3;   // in a row: no request ended well in between
inline constexpr std::size_t max_held_messages = 1024;  // requests that wait while a crashed engine starts again

struct SupervisedRunnerOptions {
    std::string program;                              // the weft binary itself
    std::string model_name;                           // for messages and the log
    LoadMessage load;
    std::chrono::milliseconds load_timeout{300'000};  // 0 = none
    // A step thread that says nothing for this long hangs: its process is killed and started again. Far beyond any step;
    // 0 = never.
    std::chrono::milliseconds hang_timeout{120'000};
};

// A model in an engine process of its own that is started again when it dies. Its death gives every request it had an
// Error event; requests that come while it starts again wait for it. Three crashes in a row quarantine the model: every
// request is answered with model_load_failed until it is unloaded. Thread: io.
class SupervisedRunner final : public Runner, public std::enable_shared_from_this<SupervisedRunner> {
  public:
    // Calls back once, never from inside: with the runner when the model is ready, or with why it cannot be loaded.
    // Destroying the returned handle's last reference before that ends the load.
    static std::shared_ptr<SupervisedRunner> load(boost::asio::any_io_executor io, SupervisedRunnerOptions options,
                                                  std::function<void(Result<std::shared_ptr<Runner>>)> done);
    ~SupervisedRunner() override;

    [[nodiscard]] const ModelDescription& description() const override { return description_; }
    [[nodiscard]] TokenStream start(GenerateRequest request) override;
    std::function<void()> embed(EmbedRequest request, std::function<void(Result<EmbedResult>)> done) override;
    void tokenize(std::string text, bool add_special, bool parse_special,
                  std::function<void(Result<std::vector<Token>>)> done) override;
    void tokenize_chat(ChatPrompt prompt, bool add_special, std::function<void(Result<std::vector<Token>>)> done) override;
    void detokenize(std::vector<Token> tokens, std::function<void(Result<std::string>)> done) override;
    void pieces(std::vector<Token> tokens, std::function<void(Result<std::vector<std::string>>)> done) override;
    void render(ChatPrompt prompt, std::function<void(Result<std::string>)> done) override;
    void count(ChatPrompt prompt, std::function<void(Result<std::uint32_t>)> done) override;
    [[nodiscard]] RunnerStats stats() const override { return stats_; }

    // Ends the engine; requests that it still has get an error. `ended` is called when its memory is free again.
    void stop(std::function<void()> ended);

    // Called once when this runner will never work again (quarantine, or the file is broken now).
    void on_gone(std::function<void(Error)> callback) { on_gone_ = std::move(callback); }
    [[nodiscard]] pid_t pid() const { return process_ ? process_->pid() : -1; }
    [[nodiscard]] bool ready() const { return state_ == State::ready; }

  private:
    enum class State { loading, ready, restarting, gone };

    SupervisedRunner(boost::asio::any_io_executor io, SupervisedRunnerOptions options,
                     std::function<void(Result<std::shared_ptr<Runner>>)> done);
    void spawn();
    [[nodiscard]] EngineProcess::Hooks hooks();
    void became_ready(const ModelDescription& description);
    void watch();
    void died(Error error);
    void give_up(Error error);
    void fail_all(const Error& error);
    void cancel(std::uint64_t id);  // of a request that nobody waits for any more
    void deliver(std::uint64_t id, GenerationEvent event);
    // Sends now, or when the engine is back. The error when neither is possible.
    [[nodiscard]] Result<void> send_or_hold(std::uint64_t id, ToEngine message);
    template <typename T>
    void ask(std::unordered_map<std::uint64_t, std::function<void(Result<T>)>>& waiting, std::uint64_t id,
             ToEngine message, std::function<void(Result<T>)> done);
    template <typename T, typename Reply>
    void answer(std::unordered_map<std::uint64_t, std::function<void(Result<T>)>>& waiting, Reply reply);

    boost::asio::any_io_executor io_;
    SupervisedRunnerOptions options_;
    std::function<void(Result<std::shared_ptr<Runner>>)> done_;
    std::function<void(Error)> on_gone_;
    std::shared_ptr<EngineProcess> process_;
    boost::asio::steady_timer timer_;   // load timeout, restart delay
    boost::asio::steady_timer watchdog_;
    State state_ = State::loading;
    Error gone_reason_;
    ModelDescription description_;
    RunnerStats stats_;
    int crashes_ = 0;
    std::uint64_t next_id_ = 1;
    std::unordered_map<std::uint64_t, TokenStreamWriter> streams_;
    std::unordered_map<std::uint64_t, std::function<void(Result<EmbedResult>)>> embeds_;
    std::unordered_map<std::uint64_t, std::function<void(Result<std::vector<Token>>)>> tokenizes_;
    std::unordered_map<std::uint64_t, std::function<void(Result<std::string>)>> texts_;
    std::unordered_map<std::uint64_t, std::function<void(Result<std::vector<std::string>>)>> pieces_;
    std::unordered_map<std::uint64_t, std::function<void(Result<std::uint32_t>)>> counts_;
    std::vector<std::pair<std::uint64_t, ToEngine>> held_;
};

}  // namespace weft
