#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/messages.h"
#include "runner/runner.h"

namespace weft {

// One child process: spawned, spoken to, buried. Knows nothing of restarts (see SupervisedRunner). Thread: io.
class EngineProcess : public std::enable_shared_from_this<EngineProcess> {
  public:
    struct Hooks {
        std::function<void(const ModelDescription&)> on_ready;
        std::function<void(Error)> on_failed;   // the model cannot be loaded: the process ends by itself
        std::function<void(Error)> on_death;    // called once, whatever ended it; `message` is fit for clients
        std::function<void(const EngineHeartbeat&)> on_heartbeat;
        std::function<void(std::uint64_t, GenerationEvent)> on_event;
        std::function<void(EmbedReply)> on_embed;
        std::function<void(TokenizeReply)> on_tokenize;
        std::function<void(TextReply)> on_text;
        std::function<void(PiecesReply)> on_pieces;
        std::function<void(CountReply)> on_count;
    };

    // Starts `program engine --fd N` and sends the load message. engine_failed when the process cannot be started.
    [[nodiscard]] static Result<std::shared_ptr<EngineProcess>> start(boost::asio::any_io_executor io,
                                                                      const std::string& program,
                                                                      const LoadMessage& load, Hooks hooks);
    ~EngineProcess();

    void send(const ToEngine& message);
    // Closes the socket; the engine ends when it notices, and is killed if it has not within the grace time. Nobody
    // needs to hold this object meanwhile. `ended` is called after on_death, or never if the io_context goes before.
    void stop(std::function<void()> ended = {});
    void kill();
    [[nodiscard]] pid_t pid() const { return pid_; }

  private:
    EngineProcess(boost::asio::any_io_executor io, int socket, int pid_descriptor, pid_t pid, Hooks hooks);
    void read_header();
    void read_body(std::uint32_t length);
    void dispatch(FromEngine message);
    void write_next();
    void wait_for_exit();
    void end_of_stream();
    void bury();
    void lost(const std::string& detail);

    boost::asio::local::stream_protocol::socket socket_;
    boost::asio::posix::stream_descriptor exit_;  // a pidfd: readable when the process is over
    boost::asio::steady_timer grace_;
    pid_t pid_;
    Hooks hooks_;
    std::function<void()> ended_;
    std::string header_;
    std::string body_;
    std::deque<std::string> outgoing_;  // bounded by the requests in flight, which the registry and engine bound
    bool writing_ = false;
    bool stopping_ = false;
    bool stream_ended_ = false;          // everything the engine said has been read
    std::optional<int> exit_status_;     // it is over; a zombie no more
    bool dead_ = false;                  // both: on_death is called
};

// How a dead process is described: "killed by signal 11 (Segmentation fault)", "exit status 3".
[[nodiscard]] std::string describe_exit(int wait_status);

}  // namespace weft
